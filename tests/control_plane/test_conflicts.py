"""Changes of Jobs, runs and namespaces by other clients while the operator manages them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isheep.kube.names import job_name

from .harness.api import MERGE_PATCH
from .harness.invariants import steps_of
from .harness.namespace_fixture import NamespaceFixture
from .harness.observer import RUNS
from .harness.pod_behaviour import Hang, Hold, IgnoreSigterm, Work
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
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
def test_an_edit_keeps_the_jobs_whose_keys_stay_and_deletes_the_others(
    namespace: NamespaceFixture, stage: str
) -> None:
    namespace.workers.set_behaviour(stage, Hold())
    namespace.create(Run().skip_to(STAGES[max(1, STAGES.index(stage))]))
    job = namespace.until_running(stage)
    namespace.edit(selection={"threshold": 4})
    # The threshold is part of the keys of select and of all later stages; prepare checks it.
    stays = stage in STAGES[1:5]
    if stays:
        namespace.until(lambda: namespace.started().count("prepare") == 2)
        namespace.until(lambda: namespace.status()["observedGeneration"] == 2)
        namespace.until_quiet(0.5)
        (job_now,) = [j for j in namespace.jobs(finished=False) if steps_of(j) == steps_of(job)]
        assert job_now["metadata"]["uid"] == job["metadata"]["uid"]
        assert "deletionTimestamp" not in job_now["metadata"]
    else:
        uid = job["metadata"]["uid"]
        namespace.until(lambda: uid not in {j["metadata"]["uid"] for j in namespace.jobs()})
    namespace.workers.let_work(stage)
    namespace.until_phase("Succeeded")
    assert namespace.status()["observedGeneration"] == 2
    steps = [steps_of(j)[0] for j in namespace.jobs_created()]
    assert len(steps) == len(set(steps)), "two Jobs were created for one key"
    (history,) = namespace.status()["history"]
    assert history["kept"] == 4


def test_the_operator_does_not_delete_a_foreign_job_with_its_name(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("prepare", Hold())
    created = namespace.create(FROM_TRAIN)
    key = namespace.keys["i1/train"]
    name = job_name("run", created["metadata"]["uid"], stage="i1/train", key=key, attempt=1)
    namespace.api.must("POST", namespace.jobs_path(), foreign_job(name))
    namespace.workers.let_work("prepare")
    namespace.until_reason("JobNameConflict")
    assert namespace.phase() == "Stalled"
    assert name in namespace.message()
    namespace.until_quiet(0.5)
    assert "deletionTimestamp" not in namespace.api.get(namespace.jobs_path(name))["metadata"]
    namespace.delete_job(name)
    namespace.until_phase("Succeeded")


def test_a_job_without_its_annotations_is_a_foreign_job(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hang(), Work())
    namespace.create(FROM_TRAIN)
    name = namespace.until_running("i1/train")["metadata"]["name"]
    removal = {"metadata": {"annotations": {"isheep.dev/steps": None}}}
    namespace.api.must("PATCH", namespace.jobs_path(name), removal, content_type=MERGE_PATCH)
    namespace.until_reason("JobNameConflict")
    namespace.delete_job(name)
    namespace.until_phase("Succeeded")


def test_the_operator_ignores_other_jobs_of_the_namespace(namespace: NamespaceFixture) -> None:
    namespace.api.must("POST", namespace.jobs_path(), foreign_job("other"))
    labels = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "isheep-operator"}}}
    namespace.api.must("PATCH", namespace.jobs_path("other"), labels, content_type=MERGE_PATCH)
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    assert "deletionTimestamp" not in namespace.api.get(namespace.jobs_path("other"))["metadata"]


def test_the_deletion_of_a_run_deletes_its_jobs_and_pods(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hang())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    namespace.delete()
    namespace.until(lambda: not namespace.jobs())
    namespace.until(lambda: not namespace.pods())
    assert "run" not in namespace.cluster.observer.latest(RUNS, namespace.name)


@pytest.mark.parametrize(
    "pod", [Hang(), IgnoreSigterm()], ids=["stops-on-sigterm", "ignores-sigterm"]
)
def test_a_run_with_the_name_of_a_deleted_run_is_another_run(
    namespace: NamespaceFixture, pod: Any
) -> None:
    namespace.workers.set_behaviour("train", pod, Work())
    first = namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    namespace.delete(wait=False)
    second = namespace.create(FROM_TRAIN.spec(randomSeed=0))
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    namespace.until_phase("Succeeded")
    namespace.until(lambda: not namespace.jobs())
    uids = {j["metadata"]["labels"]["isheep.dev/run-uid"] for j in namespace.jobs_created()}
    assert uids == {first["metadata"]["uid"], second["metadata"]["uid"]}


def test_a_run_that_is_being_deleted_starts_no_more_stages(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    hold = {"metadata": {"finalizers": ["isheep.test/hold"]}}
    namespace.api.must("PATCH", namespace.runs_path("run"), hold, content_type=MERGE_PATCH)
    namespace.delete(wait=False)
    namespace.workers.let_work("train")
    namespace.until_quiet()
    assert namespace.started() == ["prepare", "i1/train"]
    release = {"metadata": {"finalizers": []}}
    namespace.api.must("PATCH", namespace.runs_path("run"), release, content_type=MERGE_PATCH)
    namespace.until(lambda: not namespace.pods())


def test_a_namespace_with_a_run_can_be_deleted(namespace: NamespaceFixture) -> None:
    """Kubernetes alone would not complete the deletion. It deletes the pods of a namespace
    first (since 1.33). The Job controller keeps the last failed pod of an index until it has a
    replacement, and can create none in a terminating namespace. The operator deletes the Job,
    which releases the pod.
    """
    namespace.workers.set_behaviour("train", Hang())
    # The namespace controller retries after half of the pods' grace period.
    namespace.create(FROM_TRAIN.spec(compute={"training": {"terminationGracePeriodSeconds": 2}}))
    namespace.until_running("i1/train")
    namespace.may_be_forbidden = True
    path = f"/api/v1/namespaces/{namespace.name}"
    namespace.api.must("DELETE", path)
    namespace.until(lambda: namespace.api.request("GET", path).status == 404)


def test_a_job_that_a_terminating_namespace_rejects_stalls_the_run(
    namespace: NamespaceFixture,
) -> None:
    """The proxy returns the API server's own rejection, received for another namespace."""
    namespace.may_be_forbidden = True
    other = f"{namespace.name}-2"
    path = f"/api/v1/namespaces/{other}"
    namespace.api.must("POST", "/api/v1/namespaces", {"metadata": {"name": other}})
    holder = {"metadata": {"name": "hold", "finalizers": ["isheep.test/hold"]}}
    namespace.api.must("POST", f"{path}/configmaps", holder)
    namespace.api.must("DELETE", path)
    jobs = f"/apis/batch/v1/namespaces/{other}/jobs"
    answer = namespace.api.request("POST", jobs, foreign_job("rejected"))
    assert answer.status == 403
    rejection = namespace.proxy.reject("POST", namespace.jobs_path() + "$", 403, answer.body)
    namespace.create(FROM_TRAIN)
    namespace.until_reason("NamespaceTerminating")
    assert namespace.phase() == "Stalled"
    rejection.times = 0
    namespace.until_phase("Succeeded")
    release = {"metadata": {"finalizers": []}}
    namespace.api.must("PATCH", f"{path}/configmaps/hold", release, content_type=MERGE_PATCH)


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (403, 'jobs.batch is forbidden: ValidatingAdmissionPolicy "no" denied it', "JobForbidden"),
        (403, "jobs.batch is forbidden: exceeded quota: quota, used: 5", "QuotaExceeded"),
        (422, "Job.batch is invalid: spec.template.spec: Invalid value", "JobInvalid"),
    ],
)
def test_the_operator_retries_the_creation_of_a_rejected_job(
    namespace: NamespaceFixture, status: int, message: str, reason: str
) -> None:
    namespace.may_be_forbidden = True
    body = {"kind": "Status", "status": "Failure", "message": message, "code": status}
    rejection = namespace.proxy.reject("POST", namespace.jobs_path() + "$", status, body)
    namespace.create(FROM_TRAIN)
    namespace.until_reason(reason)
    assert namespace.phase() == "Stalled"
    assert message in namespace.message()
    namespace.until(lambda: rejection.times < 10**6 - 1)
    rejection.times = 0
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]


def test_the_status_of_a_rejected_job_is_written_once(namespace: NamespaceFixture) -> None:
    """The API server gives the errors of a Job in another order at each try."""
    labels = {"x" * 64 + str(number): "long" for number in range(9)}
    namespace.create(FROM_TRAIN.spec(compute={"processing": {"podLabels": labels}}))
    namespace.until_reason("JobInvalid")

    def tries() -> int:
        return len([one for one in namespace.proxy.writes("jobs") if one.method == "POST"])

    first, stored = tries(), namespace.run()
    namespace.until(lambda: tries() > first + 3)
    assert namespace.run() == stored


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_the_operator_retries_after_temporary_errors(
    namespace: NamespaceFixture, status: int
) -> None:
    for method, path in (("POST", namespace.jobs_path()), ("PATCH", namespace.runs_path())):
        if status != 409 or method == "PATCH":
            namespace.proxy.reject(method, path, status, times=2)
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
    assert "Stalled" not in namespace.phases()


def test_the_operator_corrects_a_status_that_another_client_has_written(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    namespace.until_phase("Running")
    nonsense = {"status": {"phase": "Succeeded", "conditions": []}}
    path = namespace.runs_path("run") + "/status"
    written = namespace.api.must("PATCH", path, nonsense, content_type=MERGE_PATCH)
    namespace.until(
        lambda: int(namespace.run()["metadata"]["resourceVersion"]) > version_of(written)
    )
    namespace.until_phase("Running")
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
    # Another client has written this version.
    namespace.exempt_versions.add(version_of(written))


def test_a_lost_status_is_restored_and_no_committed_stage_runs_again(
    namespace: NamespaceFixture,
) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    # A finished Job that still exists would contain the lost results.
    namespace.until(lambda: not namespace.jobs())
    before = {s["id"]: s["key"] for s in namespace.status()["stages"]}
    names = [name for name in namespace.status() if name != "observedGeneration"]
    lost = {"status": dict.fromkeys(names) | {"observedGeneration": -1}}
    path = namespace.runs_path("run") + "/status"
    namespace.cluster.observer.catch_up(
        RUNS, namespace.api.must("PATCH", path, lost, content_type=MERGE_PATCH)
    )
    namespace.until_phase("Succeeded")
    assert {s["id"]: s["key"] for s in namespace.status()["stages"]} == before
    # The store has all other results; prepare reports them, and only the report runs again.
    assert namespace.started()[4:] == ["prepare", "i1/report"]


def test_the_operator_replaces_a_status_that_it_cannot_read(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    namespace.until_phase("Running")
    unreadable = {"status": {"resolved": {"generation": "x", "seen": []}, "observedGeneration": -1}}
    path = namespace.runs_path("run") + "/status"
    written = namespace.api.must("PATCH", path, unreadable, content_type=MERGE_PATCH)
    namespace.exempt_versions.add(version_of(written))
    namespace.cluster.observer.catch_up(RUNS, written)
    namespace.until_phase("Running")
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")
    assert namespace.started().count("i1/train") == 1


def version_of(document: dict[str, Any]) -> int:
    return int(document["metadata"]["resourceVersion"])


def foreign_job(name: str) -> dict[str, Any]:
    container = {"name": "main", "image": "image"}
    pod = {"restartPolicy": "Never", "containers": [container], "schedulerName": "none"}
    return json.loads(json.dumps({"metadata": {"name": name}, "spec": {"template": {"spec": pod}}}))
