"""The Job controller of the simulation counts the pods of a Job as the real one does.

Both get the same Jobs. Their counts must agree while they work, while they are suspended and when
they work again, while their pods end or cannot end, and when they have ended. Nothing may be left
of them after a foreground deletion. A seed draws how the pods end (`job_cases`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..simulation.api_server import JOBS, PODS, ApiServer, collection
from ..simulation.clock import Scheduler
from ..simulation.job_controller import JobController
from ..simulation.kubelet import Kubelet, PodFault
from ..simulation.nodes import NAMES, Nodes
from ..simulation.store import Store
from ..unit.isheep.kube.virtual_time import run_in_virtual_time
from .harness.cluster import Cluster
from .harness.concurrent_tests import namespace_of
from .harness.pod_behaviour import Hang
from .harness.waiting import until
from .job_cases import Case, Faults, Script, draw
from .test_harness import JobNamespace

SETTLED_SECONDS = 300.0
HANGS = PodFault("hang", seconds=1e6)
SHORT, LONG = 6, 12
"""The number of Jobs of a seed."""
STEPS = (True, False)
"""The changes of `suspend` of a Job that goes on."""
MERGE = "application/merge-patch+json"
CLEARS_START_TIME = (1, 36)
"""The first version that removes `status.startTime` of a Job that is suspended."""


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
    """The controller and the kubelet of the simulation; `fault` returns the fault of a pod.

    `version` is the version of Kubernetes whose controller is simulated.
    """

    def __init__(
        self, fault: Callable[[dict[str, Any]], PodFault | None], version: tuple[int, int]
    ) -> None:
        self.server, scheduler, chance = ApiServer(), Scheduler(), random.Random(0)
        self.nodes = Nodes(self.server, scheduler, chance)
        Kubelet(self.server, Store(), scheduler, chance, fault, self.nodes)
        clears = version >= CLEARS_START_TIME
        JobController(self.server, scheduler, chance, clears_start_time=clears)

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


def version_of(jobs: JobNamespace) -> tuple[int, int]:
    """Return the major and the minor version of the control plane."""
    version = jobs.cluster.server.get("/version")
    return int(version["major"]), int(version["minor"].rstrip("+"))


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
        fake = SimulatedJobs(lambda _: HANGS, version_of(jobs))
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
        server.must("PATCH", path, patch, content_type=MERGE)
        until_equal(jobs, name, counts, f"suspend: {suspend}")
    deleted = server.must("DELETE", path, {"propagationPolicy": "Foreground"})
    assert "deletionTimestamp" in deleted["metadata"]
    until(lambda: server.request("GET", path).status == 404)
    until(lambda: not jobs.pods())


async def simulated_steps(
    case: Case, document: dict[str, Any], version: tuple[int, int]
) -> list[dict[str, Any]]:
    """Return the counts when the pods of a case have ended and, if it goes on, after `STEPS`."""
    fake = SimulatedJobs(Faults(case), version)
    place = fake.create(document)
    await asyncio.sleep(SETTLED_SECONDS)
    found = [fake.counted(place)]
    for suspend in STEPS if case.goes_on else ():
        spec = {**fake.server.objects[place]["spec"], "suspend": suspend}
        fake.server.change(place, spec=spec)
        await asyncio.sleep(SETTLED_SECONDS)
        found.append(fake.counted(place))
    return found


def check_cases(jobs: JobNamespace, seed: int, count: int, *, slow: bool) -> None:
    """Run the Jobs of a seed on both sides at the same time, and compare their counts."""
    chance, server, version = random.Random(seed), jobs.cluster.server, version_of(jobs)
    cases = [draw(chance, f"run-{seed}-{i}", slow=slow) for i in range(count)]
    expected: dict[str, list[dict[str, Any]]] = {}
    places: dict[str, str] = {}
    for case in cases:
        document = case.document(jobs.document(case.name, len(case.ends)))
        expected[case.name] = run_in_virtual_time(simulated_steps(case, document, version))
        workers = jobs.cluster.kubelet.workers(jobs.namespace)
        workers.set_behaviour("prepare", Script(case), run=case.name)
        places[case.name] = server.must("POST", jobs.path, document)["metadata"]["name"]
    for step, suspend in enumerate((None, *STEPS)):
        at = [case for case in cases if len(expected[case.name]) > step]
        for case in at if suspend is not None else ():
            path = f"{jobs.path}/{places[case.name]}"
            server.must("PATCH", path, {"spec": {"suspend": suspend}}, content_type=MERGE)
        for case in at:
            until_equal(jobs, places[case.name], expected[case.name][step], f"step {step}: {case}")


def until_equal(jobs: JobNamespace, name: str, counts: dict[str, Any], what: str) -> None:
    """Wait until a real Job has the counts of the simulated one."""
    until(
        lambda: real(jobs, name) == counts,
        otherwise=lambda: f"{what}: {counts}: really {real(jobs, name)}",
    )


def test_both_controllers_end_jobs_alike(jobs: JobNamespace) -> None:
    check_cases(jobs, 0, SHORT, slow=False)


@pytest.mark.long
@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("seed", range(1, 5))
def test_both_controllers_end_many_jobs_alike(jobs: JobNamespace, seed: int, slow: bool) -> None:
    check_cases(jobs, seed, LONG, slow=slow)


def test_both_controllers_wait_alike_for_pods_that_cannot_end(jobs: JobNamespace) -> None:
    """The pods of a node that does not answer are terminating until it answers again."""
    server, document = jobs.cluster.server, jobs.document("run", 2)
    kubelet = jobs.cluster.kubelet
    kubelet.workers(jobs.namespace).set_behaviour("prepare", Hang())
    name = server.must("POST", jobs.path, document)["metadata"]["name"]
    path = f"{jobs.path}/{name}"

    async def expected() -> list[dict[str, Any]]:
        fake = SimulatedJobs(lambda _: HANGS, version_of(jobs))
        place = fake.create(document)
        await asyncio.sleep(SETTLED_SECONDS)
        found = [fake.counted(place)]
        for node in NAMES:
            fake.nodes.lose(node, 10 * SETTLED_SECONDS, frozen=True, evicts=False)
        spec = {**fake.server.objects[place]["spec"], "suspend": True}
        fake.server.change(place, spec=spec)
        await asyncio.sleep(SETTLED_SECONDS)
        found.append(fake.counted(place))
        fake.server.delete(place, {"propagationPolicy": "Foreground"})
        await asyncio.sleep(SETTLED_SECONDS)
        found.append(fake.counted(place))
        await asyncio.sleep(10 * SETTLED_SECONDS)
        assert not fake.server.members(JOBS)
        return found

    steps = run_in_virtual_time(expected())
    assert [step["terminating"] for step in steps] == [0, 2, 2]
    until_equal(jobs, name, steps[0], "at work")
    uids = {pod["metadata"]["uid"] for pod in jobs.pods()}
    kubelet.cut_off |= uids
    server.must("PATCH", path, {"spec": {"suspend": True}}, content_type=MERGE)
    until_equal(jobs, name, steps[1], "suspended")
    server.must("DELETE", path, {"propagationPolicy": "Foreground"})
    until_equal(jobs, name, steps[2], "deleted")
    for uid in uids:
        kubelet.reconnect(uid)
    until(lambda: server.request("GET", path).status == 404)
    until(lambda: not jobs.pods())
