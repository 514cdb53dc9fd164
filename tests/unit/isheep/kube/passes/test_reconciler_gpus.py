"""GPU time in the status: of Jobs that are stopped, fail, or go on while the operator restarts."""

from __future__ import annotations

import asyncio

from ...planner.simulation import spec_with
from ..builders import condition
from ..fake_api_server import Json
from ..fake_cluster import FakeCluster, run_scenario
from ..virtual_time import now

GPU = "nvidia.com/gpu"
LIMITS = {"resources": {"limits": {GPU: 2}}}
SPEC = spec_with(iterations=1, compute={"inference": {"jobs": "PerStage", **LIMITS}})
PRICES = {"currency": "EUR", "perHour": {GPU: 1.8}}


async def at_work(cluster: FakeCluster) -> tuple[str, str]:
    """Create a run, and return its path and that of its first Job with GPUs, whose pod runs."""
    path = cluster.create_run(spec=SPEC)
    await cluster.operator.run_due_passes()
    (job,) = cluster.jobs()
    cluster.complete(job)
    await cluster.operator.run_due_passes()
    cluster.collect_garbage()
    (job,) = cluster.jobs()
    run_pod(cluster, job)
    return path, job


def run_pod(cluster: FakeCluster, job: str) -> None:
    cluster.run_pod(job)
    pod_of(cluster)["status"]["startTime"] = now().isoformat()


def pod_of(cluster: FakeCluster) -> Json:
    (pod,) = (path for path in cluster.server.objects if "/pods/" in path)
    return cluster.server.objects[pod]


def seconds(cluster: FakeCluster) -> float:
    usage = cluster.status().gpu
    return 0 if usage is None else usage.seconds.get(GPU, 0)


def test_a_job_that_is_stopped_at_work_is_charged_until_it_is_gone() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path, _ = await at_work(cluster)
        await cluster.operator.run_due_passes(10)
        # No inspection has been due yet, so the pod is unknown until the stop.
        await asyncio.sleep(31)
        cluster.server.change(path, spec={**SPEC, "suspend": True})
        await cluster.operator.run_due_passes()
        assert seconds(cluster) == 2 * 41
        await asyncio.sleep(6)
        cluster.collect_garbage()
        await cluster.operator.run_due_passes(600)
        assert (seconds(cluster), cluster.status().phase) == (2 * 47, "Suspended")
        usage = cluster.status().gpu
        assert usage is not None
        assert usage.cost == 0.047
        assert not usage.is_open

    run_scenario(scenario, prices=PRICES)


def test_a_job_that_somebody_removes_at_once_is_charged_to_the_end_of_its_pods() -> None:
    """`kubectl delete job` removes the Job before its pods, which no object shows then."""

    async def scenario(cluster: FakeCluster) -> None:
        _, job = await at_work(cluster)
        await cluster.operator.run_due_passes(100)
        assert seconds(cluster) == 0
        pod = next(path for path in cluster.server.objects if "/pods/" in path)
        cluster.server.remove(job)
        cluster.server.remove(pod)
        await cluster.operator.run_due_passes()
        assert seconds(cluster) == 2 * 100
        (again,) = cluster.jobs()
        assert again == job
        await cluster.operator.run_due_passes(60)
        usage = cluster.status().gpu
        assert usage is not None
        grace = cluster.job(job)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert 2 * 100 <= seconds(cluster) <= 2 * (100 + grace)
        assert not usage.is_open

    run_scenario(scenario)


def test_a_young_job_that_somebody_removes_is_charged_by_its_pods_that_still_end() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        _, job = await at_work(cluster)
        # No inspection has been due yet, so the operator does not know the pod.
        await cluster.operator.run_due_passes(20)
        cluster.server.remove(job)
        await cluster.operator.run_due_passes()
        assert seconds(cluster) == 2 * 20

    run_scenario(scenario)


def test_a_pod_that_has_ended_before_its_job_is_removed_is_charged() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        _, job = await at_work(cluster)
        await cluster.operator.run_due_passes(40)
        end = {"exitCode": 143, "finishedAt": now().isoformat()}
        worker = {"name": "worker", "state": {"terminated": end}}
        pod_of(cluster)["status"] |= {"phase": "Failed", "containerStatuses": [worker]}
        cluster.server.remove(job)
        await cluster.operator.run_due_passes()
        assert seconds(cluster) == 2 * 40

    run_scenario(scenario)


def test_the_time_of_a_job_advances_every_five_minutes_and_is_exact_at_its_end() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        _, job = await at_work(cluster)
        await cluster.operator.run_due_passes(290)
        writes = cluster.server.count("PATCH")
        assert seconds(cluster) == 0
        await cluster.operator.run_due_passes(50)
        assert seconds(cluster) == 2 * 300
        assert cluster.server.count("PATCH") == writes + 1
        cluster.start_operator()
        await cluster.operator.run_due_passes(60)
        assert seconds(cluster) == 2 * 300
        end = {"exitCode": 1, "finishedAt": now().isoformat()}
        worker = {"name": "worker", "state": {"terminated": end}}
        pod_of(cluster)["status"] |= {"phase": "Failed", "containerStatuses": [worker]}
        failed = condition("Failed", lastTransitionTime=now().isoformat())
        cluster.server.change(job, status={"active": 0, "ready": 0, "conditions": [failed]})
        await cluster.operator.run_due_passes()
        assert seconds(cluster) == 2 * 400
        cluster.start_operator("another")
        await cluster.operator.run_due_passes(31)
        assert seconds(cluster) == 2 * 400
        stages = {record.id: record.gpu_seconds for record in cluster.status().stages}
        assert stages["i1/generate/r1"] == 2 * 400

    run_scenario(scenario)
