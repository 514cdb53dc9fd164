"""Kueue: why it holds a Job, and when a Job is in the wrong queue."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from isheep.kube.cache.records import JobRecord
from isheep.kube.client import ApiError
from isheep.kube.passes.attempts import why_useless
from isheep.kube.passes.kueue import inspect_queue, is_in_other_queue, why_queued, workload_record
from isheep.planner.types import Waiting

from ..builders import a_job, at
from ..fake_api_server import FakeApiServer
from ..fake_cluster import FakeCluster, run_scenario
from ..virtual_time import START, run_in_virtual_time

NOW = START + timedelta(seconds=100)
SOON = START + timedelta(seconds=10)
QUEUE = "kueue.x-k8s.io/queue-name"
ASKED = "isheep.dev/kueue-labels"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta1/namespaces/ns/workloads"


def held(**labels: str) -> JobRecord:
    return a_job(spec={"suspend": True}, labels={QUEUE: "q", **labels})


def workload(*conditions: tuple[str, str, str, str], **fields: Any) -> dict[str, Any]:
    """Return a Workload; a condition is its type, status, reason and message."""
    names = ("type", "status", "reason", "message")
    found = [dict(zip(names, one, strict=True)) for one in conditions]
    return {
        "metadata": {"name": "w", "creationTimestamp": at(1), **fields.pop("metadata", {})},
        "spec": {"active": True, "queueName": "q", **fields.pop("spec", {})},
        "status": {"conditions": found, **fields},
    }


def pending(message: str) -> tuple[str, str, str, str]:
    return ("QuotaReserved", "False", "Pending", message)


def inadmissible(message: str) -> tuple[str, str, str, str]:
    return ("QuotaReserved", "False", "Inadmissible", message)


RESERVED = ("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue c")
EVICTED = ("Evicted", "True", "Preempted", "Preempted to accommodate another workload")
UNUSED = "insufficient unused quota for cpu in flavor a, 3 more needed"
MAXIMUM = "insufficient quota for cpu in flavor b, request (8) > maximum capacity (4)"
FULL = 'topology "default" allows to fit only 1 out of 2 pod(s)'
CHECK = {"name": "nodes", "state": "Pending", "message": "no answer"}


@pytest.mark.parametrize(
    ("document", "reason", "stalled", "text"),
    [
        (workload(), "Queued", False, "waits for Kueue to admit it"),
        (workload(pending(UNUSED)), "Queued", False, "insufficient unused quota for cpu"),
        (workload(pending(MAXIMUM)), "Inadmissible", True, "maximum capacity"),
        (workload(pending(f"{MAXIMUM}, {UNUSED}")), "Queued", False, "unused"),
        (workload(pending("flavor a doesn't match node affinity")), "Inadmissible", True, "match"),
        (
            workload(pending(f"untolerated taint {{x y}} in flavor a, {FULL}")),
            "Queued",
            False,
            FULL,
        ),
        (workload(pending(FULL)), "Queued", False, FULL),
        (
            workload(pending("resource a/gpu unavailable in ClusterQueue")),
            "Inadmissible",
            True,
            "a/gpu",
        ),
        (
            workload(inadmissible("LocalQueue q doesn't exist")),
            "LocalQueueNotFound",
            True,
            "LocalQueue q doesn't exist (create the LocalQueue",
        ),
        (
            workload(inadmissible("LocalQueue q is terminating or missing")),
            "LocalQueueNotFound",
            True,
            "LocalQueue q is",
        ),
        (
            workload(inadmissible("LocalQueue  doesn't exist"), spec={"queueName": ""}),
            "LocalQueueNotFound",
            True,
            "names no queue",
        ),
        (workload(inadmissible("LocalQueue q is stopped")), "Inadmissible", True, "is stopped"),
        (
            workload(inadmissible("ClusterQueue c doesn't exist")),
            "Inadmissible",
            True,
            "ClusterQueue c",
        ),
        (workload(EVICTED, pending(UNUSED)), "Preempted", False, "to accommodate another"),
        (
            workload(EVICTED, inadmissible("LocalQueue q doesn't exist")),
            "LocalQueueNotFound",
            True,
            "LocalQueue q",
        ),
        (
            workload(("Evicted", "False", "Preempted", "earlier"), pending("full")),
            "Queued",
            False,
            "full",
        ),
        (
            workload(("Evicted", "True", "PodsReadyTimeout", "too slow"), pending("full")),
            "Queued",
            False,
            "too slow",
        ),
        (
            workload(("Evicted", "True", "Deactivated", "no"), spec={"active": False}),
            "WorkloadDeactivated",
            True,
            "no (remove the cause",
        ),
        (
            workload(RESERVED, admissionChecks=[CHECK]),
            "Queued",
            False,
            "nodes is Pending: no",
        ),
        (workload(RESERVED), "Queued", False, "waits for Kueue to admit it"),
        (workload(RESERVED, clusterName="b"), "JobInOtherCluster", True, "in the cluster b"),
    ],
)
def test_the_workload_of_a_job_says_why_it_does_not_start(
    document: dict[str, Any], reason: str, stalled: bool, text: str
) -> None:
    found = why_queued(held(), workload_record(document), NOW)
    assert (found.reason, found.stalled) == (reason, stalled)
    assert "run-respond-abc" in found.message
    assert text in found.message


@pytest.mark.parametrize(
    ("job", "now", "reason"),
    [
        (held(), SOON, "Queued"),
        (held(), NOW, "WorkloadMissing"),
        (a_job(spec={"suspend": True}), NOW, "JobSuspended"),
    ],
    ids=["new", "no controller", "suspended by a person"],
)
def test_the_absence_of_a_workload_is_an_answer(job: JobRecord, now: datetime, reason: str) -> None:
    assert why_queued(job, None, now).reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "Workload namespace doesn't match ClusterQueue selector",
        "resources validation failed: [limits must not be smaller than requests]",
        "resources didn't satisfy LimitRange constraints: the maximum cpu usage is 1",
        'Flavor "a" does not contain the requested level',
        "no requested topology level: cloud.example.com/rack",
        "flavor a does not provide resource nvidia.com/gpu",
        "ClusterQueue wide is inactive",
    ],
)
def test_what_no_free_quota_ends_is_stalled(text: str) -> None:
    """The scheduler of Kueue 0.17 says all this with the reason Pending."""
    found = why_queued(held(), workload_record(workload(pending(text))), NOW)
    assert (found.reason, found.stalled) == ("Inadmissible", True)
    assert text in found.message


def test_how_much_quota_is_missing_does_not_change_the_message() -> None:
    """Otherwise the end of each Job would change the status of every run in the queue."""
    texts = [UNUSED, UNUSED.replace("3", "1500m")]
    first, second = (why_queued(held(), workload_record(workload(pending(t))), NOW) for t in texts)
    assert first == second


def inspected(
    job: JobRecord, *, status: int = 0, path: str = "/workloads", **documents: dict[str, Any]
) -> Waiting:
    """Inspect the queue of a Job; requests with a part of this path fail with the status."""
    server = FakeApiServer()

    def reject(method: str, requested: str) -> None:
        if status and path in requested:
            raise ApiError(status, "", "refused", ())

    async def run_inspection() -> Waiting:
        for name, document in documents.items():
            document["metadata"]["name"] = name
            server.put(WORKLOADS, document)
        return await inspect_queue(server, job, NOW)  # type: ignore[arg-type]

    server.fault = reject
    return run_in_virtual_time(run_inspection())


def test_the_newest_workload_of_the_job_counts() -> None:
    """The old version of the API is read if the new one is not served."""
    job = held()
    own = {"labels": {"kueue.x-k8s.io/job-uid": job.uid}}
    other = {"labels": {"kueue.x-k8s.io/job-uid": "another"}}
    found = inspected(
        job,
        status=404,
        path="/v1beta2/",
        old=workload(pending("old"), metadata={**own, "creationTimestamp": at(1)}),
        new=workload(pending("new"), metadata={**own, "creationTimestamp": at(2)}),
        going=workload(
            pending("going"),
            metadata={**own, "creationTimestamp": at(3), "deletionTimestamp": at(4)},
        ),
        other=workload(pending("other"), metadata={**other, "creationTimestamp": at(5)}),
    )
    assert found.message.endswith(": new")


@pytest.mark.parametrize(
    ("status", "job", "reason"),
    [
        (404, held(), "WorkloadMissing"),
        (403, held(), "Queued"),
        (403, a_job(spec={"suspend": True}), "JobSuspended"),
    ],
    ids=["no Kueue", "no right", "no right and no queue"],
)
def test_workloads_that_cannot_be_read(status: int, job: JobRecord, reason: str) -> None:
    assert inspected(job, status=status).reason == reason


@pytest.mark.parametrize(
    ("asked", "labels", "wanted", "differs"),
    [
        ('{"kueue.x-k8s.io/queue-name":"a"}', {QUEUE: "a"}, {QUEUE: "b"}, True),
        ('{"kueue.x-k8s.io/queue-name":"a"}', {QUEUE: "a"}, {}, True),
        ('{"kueue.x-k8s.io/queue-name":"a"}', {QUEUE: "a"}, {QUEUE: "a"}, False),
        (None, {}, {QUEUE: "q"}, True),
        # Kueue adds the queue of the namespace to a Job without one.
        (None, {QUEUE: "default"}, {}, False),
        (None, {QUEUE: "q", "kueue.x-k8s.io/priority-class": "p"}, {QUEUE: "q"}, False),
        ("nonsense", {QUEUE: "q"}, {QUEUE: "q"}, False),
        ("[1]", {QUEUE: "q"}, {QUEUE: "q"}, False),
    ],
)
def test_a_suspended_job_is_in_the_queue_that_its_run_asked_for(
    asked: str | None, labels: dict[str, str], wanted: dict[str, str], differs: bool
) -> None:
    annotations = {} if asked is None else {ASKED: asked}
    job = a_job(spec={"suspend": True}, labels=labels, annotations=annotations)
    assert is_in_other_queue(job, wanted) is differs
    assert (why_useless(job, {}, wanted) is not None) is differs
    admitted = a_job(spec={"suspend": False}, labels=labels, annotations=annotations)
    assert not is_in_other_queue(admitted, wanted)
    going = a_job(spec={"suspend": True}, labels=labels, deletionTimestamp=at(9))
    assert why_useless(going, {}, wanted) is None


def test_a_new_label_of_the_run_creates_its_suspended_job_again() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        run = cluster.create_run(labels={QUEUE: "wrong"})
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        before = cluster.job(job)["metadata"]
        metadata = cluster.server.objects[run]["metadata"]
        cluster.server.change(run, metadata={**metadata, "labels": {QUEUE: "right"}})
        await cluster.operator.run_due_passes()
        assert cluster.job(job)["metadata"]["deletionTimestamp"]
        assert cluster.ready_condition()[0] == "Stopping"
        cluster.server.remove(job)
        await cluster.operator.run_due_passes()
        (again,) = cluster.jobs()
        after = cluster.job(again)["metadata"]
        assert after["labels"][QUEUE] == "right"
        # It is the same attempt, which has not failed.
        assert (after["name"], after["uid"] == before["uid"]) == (before["name"], False)
        assert cluster.order(again).attempt == 1

    run_scenario(scenario)
