"""What other people do to Jobs, runs and namespaces while the operator works with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isheep.kube.names import job_name

from .harness.api import MERGE_PATCH
from .harness.behaviour import Hang, Held, Ignore, Work
from .harness.laws import steps_of
from .harness.observer import RUNS
from .harness.runs import Run
from .harness.scene import Scene

LAST = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
STAGES = [
    "prepare",
    "i1/generate/r1",
    "i1/curate/r1",
    "i1/respond",
    "i1/assess",
    "i1/select",
    "i1/train",
    "i1/merge",
    "i1/report",
]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.replace("/", "-"))
def test_an_edit_keeps_the_job_whose_key_stays_and_removes_the_others(
    scene: Scene, stage: str
) -> None:
    scene.workshop.tell(stage, Held())
    scene.create(Run().skip_to(STAGES[max(1, STAGES.index(stage))]))
    job = scene.until_at_work(stage)
    scene.edit(selection={"threshold": 4})
    # The threshold is in the keys of select and of what follows; prepare checks it.
    stays = stage in STAGES[1:5]
    if stays:
        scene.until(lambda: scene.started().count("prepare") == 2)
        scene.until(lambda: scene.status()["observedGeneration"] == 2)
        scene.settle(0.5)
        (at_work,) = [j for j in scene.jobs(finished=False) if steps_of(j) == steps_of(job)]
        assert at_work["metadata"]["uid"] == job["metadata"]["uid"]
        assert "deletionTimestamp" not in at_work["metadata"]
    else:
        uid = job["metadata"]["uid"]
        scene.until(lambda: uid not in {j["metadata"]["uid"] for j in scene.jobs()})
    scene.workshop.mend(stage)
    scene.until_phase("Succeeded")
    assert scene.status()["observedGeneration"] == 2
    made = [steps_of(j)[0] for j in scene.jobs_made()]
    assert len(made) == len(set(made)), "no key was made twice"
    (history,) = scene.status()["history"]
    assert history["kept"] == 4


def test_a_foreign_job_under_our_name_is_left_alone(scene: Scene) -> None:
    scene.workshop.tell("prepare", Held())
    made = scene.create(LAST)
    key = scene.keys["i1/train"]
    name = job_name("run", made["metadata"]["uid"], stage="i1/train", key=key, attempt=1)
    scene.api.must("POST", scene.jobs_path(), foreign_job(name))
    scene.workshop.mend("prepare")
    scene.until_reason("JobNameConflict")
    assert scene.phase() == "Stalled"
    assert name in scene.message()
    scene.settle(0.5)
    assert "deletionTimestamp" not in scene.api.get(scene.jobs_path(name))["metadata"]
    scene.delete_job(name)
    scene.until_phase("Succeeded")


def test_a_job_that_lost_its_annotations_is_not_ours_any_more(scene: Scene) -> None:
    scene.workshop.tell("train", Hang(), Work())
    scene.create(LAST)
    name = scene.until_at_work("i1/train")["metadata"]["name"]
    gone = {"metadata": {"annotations": {"isheep.dev/steps": None}}}
    scene.api.must("PATCH", scene.jobs_path(name), gone, content_type=MERGE_PATCH)
    scene.until_reason("JobNameConflict")
    scene.delete_job(name)
    scene.until_phase("Succeeded")


def test_other_jobs_of_the_namespace_are_nobody_s_business(scene: Scene) -> None:
    scene.api.must("POST", scene.jobs_path(), foreign_job("other"))
    labels = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "isheep-operator"}}}
    scene.api.must("PATCH", scene.jobs_path("other"), labels, content_type=MERGE_PATCH)
    scene.create(LAST)
    scene.until_phase("Succeeded")
    assert "deletionTimestamp" not in scene.api.get(scene.jobs_path("other"))["metadata"]


def test_a_deleted_run_takes_its_jobs_with_it(scene: Scene) -> None:
    scene.workshop.tell("train", Hang())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    scene.delete()
    scene.until(lambda: not scene.jobs())
    scene.until(lambda: not scene.pods())
    assert "run" not in scene.plane.observer.latest(RUNS, scene.namespace)


@pytest.mark.parametrize("pod", [Hang(), Ignore()], ids=["obedient", "deaf"])
def test_a_run_that_is_created_again_under_its_name_is_another_run(scene: Scene, pod: Any) -> None:
    scene.workshop.tell("train", pod, Work())
    first = scene.create(LAST)
    scene.until_at_work("i1/train")
    scene.delete(wait=False)
    second = scene.create(LAST.spec(randomSeed=0))
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    scene.until_phase("Succeeded")
    scene.until(lambda: not scene.jobs())
    uids = {j["metadata"]["labels"]["isheep.dev/run-uid"] for j in scene.jobs_made()}
    assert uids == {first["metadata"]["uid"], second["metadata"]["uid"]}


def test_a_run_that_is_being_deleted_starts_nothing_more(scene: Scene) -> None:
    scene.workshop.tell("train", Held())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    hold = {"metadata": {"finalizers": ["isheep.test/hold"]}}
    scene.api.must("PATCH", scene.runs_path("run"), hold, content_type=MERGE_PATCH)
    scene.delete(wait=False)
    scene.workshop.mend("train")
    scene.settle()
    assert scene.started() == ["prepare", "i1/train"]
    release = {"metadata": {"finalizers": []}}
    scene.api.must("PATCH", scene.runs_path("run"), release, content_type=MERGE_PATCH)
    scene.until(lambda: not scene.pods())


def test_a_namespace_that_is_being_deleted_goes(scene: Scene) -> None:
    """Not by itself: a namespace's pods are deleted first (since 1.33), and the Job controller
    keeps the last failed pod of an index until it has a replacement, which it may not make
    any more. Only that the Job is deleted lets both go.
    """
    scene.workshop.tell("train", Hang())
    # A namespace waits for half of its pods' grace before it looks again.
    scene.create(LAST.spec(compute={"training": {"terminationGracePeriodSeconds": 2}}))
    scene.until_at_work("i1/train")
    scene.may_be_forbidden = True
    path = f"/api/v1/namespaces/{scene.namespace}"
    scene.api.must("DELETE", path)
    scene.until(lambda: scene.api.request("GET", path).status == 404, timeout=40)


def test_a_job_refused_by_a_terminating_namespace_stalls_the_run(scene: Scene) -> None:
    """The rejection is the API server's own, taken from another namespace."""
    scene.may_be_forbidden = True
    other = f"{scene.namespace}-2"
    path = f"/api/v1/namespaces/{other}"
    scene.api.must("POST", "/api/v1/namespaces", {"metadata": {"name": other}})
    holder = {"metadata": {"name": "hold", "finalizers": ["isheep.test/hold"]}}
    scene.api.must("POST", f"{path}/configmaps", holder)
    scene.api.must("DELETE", path)
    jobs = f"/apis/batch/v1/namespaces/{other}/jobs"
    refused = scene.api.request("POST", jobs, foreign_job("refused"))
    assert refused.status == 403
    rejection = scene.proxy.refuse("POST", scene.jobs_path() + "$", 403, refused.body)
    scene.create(LAST)
    scene.until_reason("NamespaceTerminating")
    assert scene.phase() == "Stalled"
    rejection.times = 0
    scene.until_phase("Succeeded")
    release = {"metadata": {"finalizers": []}}
    scene.api.must("PATCH", f"{path}/configmaps/hold", release, content_type=MERGE_PATCH)


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (403, 'jobs.batch is forbidden: ValidatingAdmissionPolicy "no" denied it', "JobForbidden"),
        (403, "jobs.batch is forbidden: exceeded quota: quota, used: 5", "QuotaExceeded"),
        (422, "Job.batch is invalid: spec.template.spec: Invalid value", "JobInvalid"),
    ],
)
def test_a_job_that_is_refused_is_asked_for_again(
    scene: Scene, status: int, message: str, reason: str
) -> None:
    scene.may_be_forbidden = True
    body = {"kind": "Status", "status": "Failure", "message": message, "code": status}
    rejection = scene.proxy.refuse("POST", scene.jobs_path() + "$", status, body)
    scene.create(LAST)
    scene.until_reason(reason)
    assert scene.phase() == "Stalled"
    assert message in scene.message()
    scene.until(lambda: rejection.times < 10**6 - 1)
    rejection.times = 0
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_answers_that_are_no_refusal_are_repeated(scene: Scene, status: int) -> None:
    for method, path in (("POST", scene.jobs_path()), ("PATCH", scene.runs_path())):
        if status != 409 or method == "PATCH":
            scene.proxy.refuse(method, path, status, times=2)
    scene.create(LAST)
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
    assert "Stalled" not in scene.phases()


def test_somebody_else_s_writes_into_the_status_are_put_right(scene: Scene) -> None:
    scene.workshop.tell("train", Held())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    scene.until_phase("Running")
    nonsense = {"status": {"phase": "Succeeded", "conditions": []}}
    path = scene.runs_path("run") + "/status"
    written = scene.api.must("PATCH", path, nonsense, content_type=MERGE_PATCH)
    scene.until(lambda: int(scene.run()["metadata"]["resourceVersion"]) > version_of(written))
    scene.until_phase("Running")
    scene.workshop.mend("train")
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
    # This one version was not the operator's.
    scene.excused.add(version_of(written))


def test_a_status_that_is_lost_is_found_again_without_making_anything_twice(scene: Scene) -> None:
    scene.create(LAST)
    scene.until_phase("Succeeded")
    # A finished Job that is still there would tell what the status has lost.
    scene.until(lambda: not scene.jobs())
    before = {s["id"]: s["key"] for s in scene.status()["stages"]}
    names = [name for name in scene.status() if name != "observedGeneration"]
    lost = {"status": dict.fromkeys(names) | {"observedGeneration": -1}}
    path = scene.runs_path("run") + "/status"
    scene.plane.observer.catch_up(
        RUNS, scene.api.must("PATCH", path, lost, content_type=MERGE_PATCH)
    )
    scene.until_phase("Succeeded")
    assert {s["id"]: s["key"] for s in scene.status()["stages"]} == before
    # What the store has is adopted; only prepare says so, and the report is made again.
    assert scene.started()[4:] == ["prepare", "i1/report"]


def test_an_alien_status_stops_nobody(scene: Scene) -> None:
    scene.workshop.tell("train", Held())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    scene.until_phase("Running")
    alien = {"status": {"resolved": {"generation": "x", "seen": []}, "observedGeneration": -1}}
    path = scene.runs_path("run") + "/status"
    written = scene.api.must("PATCH", path, alien, content_type=MERGE_PATCH)
    scene.excused.add(version_of(written))
    scene.plane.observer.catch_up(RUNS, written)
    scene.until_phase("Running")
    scene.workshop.mend("train")
    scene.until_phase("Succeeded")
    assert scene.started().count("i1/train") == 1


def version_of(document: dict[str, Any]) -> int:
    return int(document["metadata"]["resourceVersion"])


def foreign_job(name: str) -> dict[str, Any]:
    container = {"name": "main", "image": "image"}
    pod = {"restartPolicy": "Never", "containers": [container], "schedulerName": "none"}
    return json.loads(json.dumps({"metadata": {"name": name}, "spec": {"template": {"spec": pod}}}))
