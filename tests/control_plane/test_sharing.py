"""Stages that several work on: pods of one stage, runs that want the same, a queue's turn."""

from __future__ import annotations

from typing import Any

from .harness.api import MERGE_PATCH
from .harness.behaviour import Disrupted, Exit, Hang, Held, Work
from .harness.laws import conditions_of, steps_of
from .harness.runs import Run
from .harness.scene import Scene

LAST = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
MANY = (
    Run()
    .spec(instructions={"count": 192}, compute={"inference": {"parallelism": 3}})
    .skip_to("i1/respond")
)
"""192 pairs are three parts, for three pods."""
NODES = LAST.spec(training={"numNodes": 2})
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]


# Pods that share a stage.


def test_three_pods_share_a_stage_and_the_last_commits(scene: Scene) -> None:
    scene.create(MANY)
    scene.until_phase("Succeeded")
    job = scene.until_job("i1/respond")
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    (container,) = spec["template"]["spec"]["containers"]
    assert {"name": "ISHEEP_WORKERS", "value": "3"} in container["env"]
    stages = {s["id"]: s for s in scene.status()["stages"]}
    assert stages["i1/respond"]["counts"] == {"pairs": 192}
    assert scene.started().count("i1/respond") == 1


def test_a_pod_of_three_that_is_ended_from_outside_is_replaced(scene: Scene) -> None:
    scene.workshop.tell("respond", Disrupted(), Work())
    scene.create(MANY)
    scene.until_phase("Succeeded")
    assert scene.started().count("i1/respond") == 1


def test_a_pod_of_three_that_fails_for_good_ends_the_job(scene: Scene) -> None:
    scene.workshop.tell("respond", Exit(70, message="a bug"), Held())
    scene.create(MANY)
    scene.until_phase("Failed")
    assert "a bug" in scene.message()
    scene.until(lambda: not scene.plane.kubelet.running(scene.namespace))


# Nodes that train together.


def services(scene: Scene) -> list[dict[str, Any]]:
    return list(scene.api.get(scene.core("services"))["items"])


def test_nodes_of_a_training_have_names_as_long_as_there_is_the_run(scene: Scene) -> None:
    scene.create(NODES)
    scene.until_phase("Succeeded")
    spec = scene.until_job("i1/train")["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (2, 2, 0)
    (service,) = services(scene)
    assert spec["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    assert scene.started().count("i1/train") == 1
    scene.delete()
    scene.until(lambda: not services(scene))


def test_a_node_that_fails_ends_the_attempt_of_all(scene: Scene) -> None:
    scene.workshop.tell("train", Exit(137), Hang(), Work())
    scene.create(NODES)
    scene.until(lambda: "lastFailure" in scene.status())
    scene.until_phase("Succeeded")
    # Not one pod was replaced: a second Job began with both.
    assert scene.started().count("i1/train") == 2
    assert len(services(scene)) == 1
    stages = {s["id"]: s for s in scene.status()["stages"]}
    assert stages["i1/train"]["failures"] == 1


def test_neighbours_that_load_the_same_model_can_be_one_job(scene: Scene) -> None:
    joined = Run().spec(compute={"inference": {"jobs": "Joined"}}).skip_to("i1/respond")
    scene.create(joined)
    scene.until_phase("Succeeded")
    job = scene.until_job("i1/assess")
    assert [stage for stage, _ in steps_of(job)] == ["i1/respond", "i1/assess"]
    assert scene.started() == ["prepare", "i1/respond", "i1/select", *ORDER[1:]]


# Runs that want the same.


def test_the_younger_of_two_runs_waits_and_adopts(scene: Scene) -> None:
    scene.workshop.tell("train", Held())
    scene.create(LAST.named("older"))
    scene.until_at_work("i1/train", "older")
    scene.create(LAST.named("younger"))
    scene.until_reason("WaitingForPeer", "younger")
    assert scene.phase("younger") == "Running"
    assert "older" in scene.message("younger")
    scene.workshop.mend("train")
    for name in ("older", "younger"):
        scene.until_phase("Succeeded", name)
    assert scene.workshop.committed[scene.keys["i1/train"]] == 1
    assert scene.workshop.adopted[scene.keys["i1/train"]] <= 1


def test_many_runs_that_want_the_same_make_it_once(scene: Scene) -> None:
    names = [f"run-{n}" for n in range(5)]
    for name in names:
        scene.create(LAST.named(name))
    for name in names:
        scene.until_phase("Succeeded", name)
    for stage in ("i1/train", "i1/merge"):
        assert scene.workshop.committed[scene.keys[stage]] == 1


def test_where_the_holder_fails_the_next_one_goes_on(scene: Scene) -> None:
    scene.workshop.tell("train", Held(), run="older")
    scene.create(LAST.named("older"))
    scene.until_at_work("i1/train", "older")
    scene.create(LAST.named("younger"))
    scene.until_reason("WaitingForPeer", "younger")
    job = scene.until_at_work("i1/train", "older")
    scene.workshop.tell("train", Exit(70), run="older")
    scene.delete_job(job["metadata"]["name"])
    scene.until_phase("Failed", "older")
    scene.until_phase("Succeeded", "younger")
    # Told to try again, the older one finds what the younger has left.
    scene.workshop.mend("train", run="older")
    scene.annotate("older", retry="1")
    scene.until_phase("Succeeded", "older")
    assert scene.workshop.committed[scene.keys["i1/train"]] == 1


def test_where_the_holder_is_suspended_the_next_one_goes_on(scene: Scene) -> None:
    scene.workshop.tell("train", Hang(), run="older")
    scene.create(LAST.named("older"))
    scene.until_at_work("i1/train", "older")
    scene.create(LAST.named("younger"))
    scene.until_reason("WaitingForPeer", "younger")
    scene.edit("older", suspend=True)
    scene.until_phase("Succeeded", "younger")
    assert scene.phase("older") == "Suspended"


def test_where_the_holder_is_deleted_the_next_one_goes_on(scene: Scene) -> None:
    scene.workshop.tell("train", Hang(), run="older")
    scene.create(LAST.named("older"))
    scene.until_at_work("i1/train", "older")
    scene.create(LAST.named("younger"))
    scene.until_reason("WaitingForPeer", "younger")
    scene.delete("older")
    scene.until_phase("Succeeded", "younger")


def test_runs_in_different_stores_have_nothing_to_do_with_one_another(scene: Scene) -> None:
    scene.workshop.tell("train", Held(), run="here")
    scene.create(LAST.named("here"))
    scene.until_at_work("i1/train", "here")
    elsewhere = {"s3": {"bucket": "another-bucket"}}
    scene.create(LAST.named("there").spec(storage=elsewhere))
    scene.until(lambda: scene.started("there").count("i1/train") == 1)
    # Two stores: the law of one Job a key is about one of them.
    scene.stores_differ = True
    scene.until_phase("Succeeded", "there")
    scene.workshop.mend("train", run="here")
    scene.until_phase("Succeeded", "here")


# A queue.


def admit(scene: Scene, job: dict[str, Any]) -> None:
    """What Kueue does when a Job's turn has come."""
    path = scene.jobs_path(job["metadata"]["name"])
    scene.api.must("PATCH", path, {"spec": {"suspend": False}}, content_type=MERGE_PATCH)


def test_jobs_of_a_queued_run_wait_for_their_turn(scene: Scene) -> None:
    scene.create(LAST.queued("team"))
    for number, stage in enumerate(ORDER):
        job = scene.until_job(stage)
        assert job["spec"]["suspend"] is True
        labels = job["metadata"]["labels"]
        assert labels["kueue.x-k8s.io/queue-name"] == "team"
        scene.until_reason("Queued")
        assert scene.phase() == ("Pending" if number == 0 else "Running")
        admit(scene, job)
    scene.until_phase("Succeeded")
    assert "Stalled" not in scene.phases()


def test_a_queue_may_take_a_place_back(scene: Scene) -> None:
    scene.workshop.tell("train", Hang(), Work())
    scene.create(LAST.queued())
    admit(scene, scene.until_job("prepare"))
    job = scene.until_job("i1/train")
    admit(scene, job)
    scene.until_at_work("i1/train")
    path = scene.jobs_path(job["metadata"]["name"])
    scene.api.must("PATCH", path, {"spec": {"suspend": True}}, content_type=MERGE_PATCH)
    scene.until_reason("Queued")
    scene.settle(0.5)
    admit(scene, job)
    for stage in ("i1/merge", "i1/report"):
        admit(scene, scene.until_job(stage))
    scene.until_phase("Succeeded")
    assert scene.started() == ORDER
    assert conditions_of(scene.run())["Complete"]["status"] == "True"


def test_other_labels_of_a_run_stay_with_it(scene: Scene) -> None:
    scene.create(LAST.labelled(team="red"))
    job = scene.until_job("prepare")
    assert "team" not in job["metadata"]["labels"]
    assert not job["spec"].get("suspend")
    assert steps_of(job)[0][0] == "prepare"
    scene.until_phase("Succeeded")
