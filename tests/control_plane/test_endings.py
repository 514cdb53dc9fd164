"""How pods end, and what a run makes of it. Half of these take the Job controller a minute:
it waits 10, 20 and 40 seconds before it replaces a pod that failed.
"""

from __future__ import annotations

from .harness.behaviour import Disrupted, Exit, Hang, OutOfMemory, Say, Work
from .harness.laws import conditions_of, steps_of
from .harness.runs import Run
from .harness.scene import Scene
from .harness.stories import takes_long

LAST = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
A_JOB_SECONDS = 200.0
"""A Job of which every pod fails lasts 70 seconds and more."""


def record(scene: Scene, stage: str) -> dict[str, object]:
    return next(s for s in scene.status()["stages"] if s["id"] == stage)


@takes_long
def test_an_unreachable_store_stalls_the_run_once_a_job_has_tried_for_long(scene: Scene) -> None:
    words = Exit(69, reason="StoreUnreachable", message="the bucket does not answer")
    scene.workshop.tell("train", words, words, words, words, Work())
    scene.create(LAST)
    ready = conditions_of(scene.until_told("Stalled", timeout=A_JOB_SECONDS))["Ready"]
    assert ready["reason"] == "StoreUnreachable"
    assert "the bucket does not answer" in ready["message"]
    # Nobody touches it, and it goes on when the bucket is there again.
    scene.until_phase("Succeeded")
    assert scene.started().count("i1/train") == 2
    assert record(scene, "i1/train")["failures"] == 0


@takes_long
def test_a_pod_killed_at_its_memory_limit_is_named_and_tried_again(scene: Scene) -> None:
    kill = OutOfMemory()
    scene.workshop.tell("train", kill, kill, kill, kill, Work())
    scene.create(LAST)
    scene.until(lambda: "lastFailure" in scene.status(), A_JOB_SECONDS)
    assert "OOMKilled" in scene.status()["lastFailure"]["message"]
    scene.until_phase("Succeeded")
    assert scene.started().count("i1/train") == 2
    assert record(scene, "i1/train")["failures"] == 1
    assert "Stalled" not in scene.phases()


@takes_long
def test_a_run_fails_when_its_time_is_over(scene: Scene) -> None:
    scene.workshop.tell("train", Hang(), Work())
    scene.create(LAST.spec(activeDeadlineSeconds=60))
    scene.until_phase("Failed", timeout=120)
    assert conditions_of(scene.run())["Failed"]["reason"] == "DeadlineExceeded"
    scene.until(lambda: not scene.pods())
    # It goes on from its last commit when it is told to, with the same time once more.
    scene.annotate(retry="1")
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/train", "i1/train", "i1/merge", "i1/report"]


def test_disruptions_are_nobody_s_fault(scene: Scene) -> None:
    scene.workshop.tell("train", Disrupted("PreemptionByScheduler"), Work())
    scene.workshop.tell("merge", Say(143), Work())
    scene.create(LAST)
    scene.until_phase("Succeeded")
    # The Job has replaced the pod; the operator had nothing to do with it.
    assert scene.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
    assert record(scene, "i1/train")["failures"] == 0


def test_one_failure_is_the_job_s_own_affair(scene: Scene) -> None:
    scene.workshop.tell("train", Exit(74, message="disk full"), Work())
    scene.create(LAST)
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]


def test_a_log_s_tail_is_shown_where_there_is_no_result(scene: Scene) -> None:
    scene.workshop.tell("train", Say(70, "Traceback (most recent call last): boom"))
    scene.create(LAST)
    scene.until_phase("Failed")
    assert "boom" in scene.message()
    assert "exit code 70" in scene.message()
    assert scene.status()["lastFailure"]["pod"].startswith("run-train-")


def test_exit_code_0_without_a_result_is_no_commit(scene: Scene) -> None:
    scene.workshop.tell("train", Say(0, "bye"), Work())
    scene.create(LAST)
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/train", "i1/train", "i1/merge", "i1/report"]
    assert record(scene, "i1/train")["failures"] == 1


def test_a_job_that_is_deleted_by_hand_is_made_again(scene: Scene) -> None:
    scene.workshop.tell("train", Hang(), Work())
    scene.create(LAST)
    job = scene.until_at_work("i1/train")
    scene.delete_job(job["metadata"]["name"])
    scene.until_phase("Succeeded")
    made = [job for job in scene.jobs_made() if steps_of(job)[0][0] == "i1/train"]
    assert len({job["metadata"]["uid"] for job in made}) == 2


def test_a_pod_that_is_deleted_by_hand_is_replaced_by_its_job(scene: Scene) -> None:
    scene.workshop.tell("train", Hang(), Work())
    scene.create(LAST)
    job = scene.until_at_work("i1/train")
    name = job["metadata"]["name"]
    (pod,) = [p for p in scene.pods() if p["metadata"]["labels"]["job-name"] == name]
    scene.api.must("DELETE", scene.core("pods", pod["metadata"]["name"]))
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
