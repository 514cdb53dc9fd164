"""The Job controller of the simulation counts the pods of a Job as the real one does.

Both get the same Job with two pods. Its counts must agree while it works, while it is suspended and
when it works again, and nothing may be left of it after a foreground deletion.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from ..simulation.api_server import JOBS, PODS, ApiServer, collection
from ..simulation.clock import Scheduler
from ..simulation.job_controller import JobController
from ..simulation.kubelet import Kubelet, PodFault
from ..simulation.store import Store
from ..unit.isheep.kube.virtual_time import run_in_virtual_time
from .harness.cluster import Cluster
from .harness.concurrent_tests import namespace_of
from .harness.pod_behaviour import Hang
from .harness.waiting import until
from .test_harness import JobNamespace

SETTLED_SECONDS = 300.0


def counted(job: dict[str, Any], pods: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what must agree of a Job and its pods."""
    status = job.get("status") or {}
    ends = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
    end = ends.get("Complete") or ends.get("Failed") or {}
    codes = [
        container["state"]["terminated"]["exitCode"]
        for pod in pods
        for container in pod["status"].get("containerStatuses") or ()
        if "terminated" in container["state"]
    ]
    numbers = ("active", "ready", "terminating", "succeeded", "failed")
    return {
        "end": end.get("type"),
        "reason": end.get("reason") if end.get("type") == "Failed" else None,
        "codes": sorted(codes),
        **{name: status.get(name) or 0 for name in numbers},
        "failedIndexes": status.get("failedIndexes") or None,
        "started": "startTime" in status,
    }


class SimulatedJobs:
    """The controller and the kubelet of the simulation, with pods that have the same fault."""

    def __init__(self, fault: PodFault) -> None:
        self.server, scheduler, chance = ApiServer(), Scheduler(), random.Random(0)
        Kubelet(self.server, Store(), scheduler, chance, lambda: fault)
        JobController(self.server, scheduler, chance)

    def create(self, document: dict[str, Any]) -> str:
        """Create a Job and return its path."""
        path = collection(JOBS)
        # The run does not exist in the simulation, which would delete the Jobs of a deleted run.
        unowned = {n: v for n, v in document["metadata"].items() if n != "ownerReferences"}
        self.server.put(path, {**document, "metadata": unowned})
        return f"{path}/{document['metadata']['name']}"

    def counted(self, place: str) -> dict[str, Any]:
        """Return what must agree of a Job."""
        pods = [pod for _, pod in self.server.members(PODS)]
        return counted(self.server.objects[place], pods)


@pytest.fixture
def jobs(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[JobNamespace]:
    created = JobNamespace(cluster, namespace_of(request.node))
    try:
        yield created
    finally:
        cluster.close_namespace(created.namespace)


def real(jobs: JobNamespace, name: str) -> dict[str, Any]:
    """Return the present state of a real Job."""
    job = jobs.cluster.server.get(f"{jobs.path}/{name}")
    pods = [
        pod
        for pod in jobs.pods()
        if pod["metadata"]["labels"].get("batch.kubernetes.io/job-name") == name
    ]
    return counted(job, pods)


def test_both_controllers_suspend_and_delete_alike(jobs: JobNamespace) -> None:
    server, document = jobs.cluster.server, jobs.document("run", 2)
    jobs.cluster.kubelet.workers(jobs.namespace).set_behaviour("prepare", Hang())
    name = server.must("POST", jobs.path, document)["metadata"]["name"]
    path = f"{jobs.path}/{name}"

    async def expected() -> list[dict[str, Any]]:
        fake = SimulatedJobs(PodFault("hang", seconds=1e6))
        place = fake.create(document)
        found = []
        for suspend in (False, True, False):
            spec = {**fake.server.objects[place]["spec"], "suspend": suspend}
            fake.server.change(place, spec=spec)
            await asyncio.sleep(SETTLED_SECONDS)
            found.append(fake.counted(place))
        fake.server.delete(place, {"propagationPolicy": "Foreground"})
        assert "deletionTimestamp" in fake.server.objects[place]["metadata"]
        await asyncio.sleep(SETTLED_SECONDS)
        assert not fake.server.members(JOBS)
        assert not fake.server.members(PODS)
        return found

    for suspend, counts in zip((False, True, False), run_in_virtual_time(expected()), strict=True):
        patch = {"spec": {"suspend": suspend}}
        merge = "application/merge-patch+json"
        server.must("PATCH", path, patch, content_type=merge)
        until(
            lambda counts=counts: real(jobs, name) == counts,
            otherwise=lambda counts=counts: f"{counts}: really {real(jobs, name)}",
        )
    deleted = server.must("DELETE", path, {"propagationPolicy": "Foreground"})
    assert "deletionTimestamp" in deleted["metadata"]
    until(lambda: server.request("GET", path).status == 404)
    until(lambda: not jobs.pods())
