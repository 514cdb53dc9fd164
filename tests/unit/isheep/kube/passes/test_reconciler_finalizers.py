"""A Job is kept by a finalizer, or is gone and no watch says so: the next attempt starts."""

from __future__ import annotations

import asyncio

from ..fake_cluster import PODS, FakeCluster, run_scenario
from ..scenarios import check_final_state, run_until_respond


async def passes(cluster: FakeCluster, minutes: int) -> None:
    for _ in range(2 * minutes):
        await asyncio.sleep(30)
        await cluster.operator.run_due_passes()


async def deleted_respond(cluster: FakeCluster) -> str:
    """Let somebody delete the Job of a respond, whose pod runs, and which stays; return the Job."""
    job = await run_until_respond(cluster)
    cluster.checks_created_jobs = False
    cluster.run_pod(job)
    await passes(cluster, 1)
    await cluster.server.delete(job, cluster.job(job)["metadata"]["uid"])
    await passes(cluster, 2)
    assert cluster.ready_condition()[0] == "Stopping"
    return job


def test_the_next_attempt_starts_when_the_pods_have_ended() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await deleted_respond(cluster)
        cluster.server.remove(f"{PODS}/{cluster.job(job)['metadata']['name']}-0")
        await passes(cluster, 4)
        (other,) = set(cluster.jobs()) - {job}
        assert cluster.order(other).attempt == 2
        failure = cluster.status().last_failure
        assert failure is not None
        assert "a finalizer keeps it" in failure.message
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_no_attempt_starts_while_a_pod_goes_on() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await deleted_respond(cluster)
        await passes(cluster, 10)
        assert cluster.jobs() == [job]
        assert cluster.ready_condition()[0] == "Stopping"
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_job_whose_end_no_watch_reports_is_not_called_kept() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await deleted_respond(cluster)
        name = cluster.job(job)["metadata"]["name"]
        cluster.operator.drops_events = True
        cluster.server.remove(f"{PODS}/{name}-0")
        cluster.server.remove(job)
        await passes(cluster, 3)
        cluster.operator.drops_events = False
        assert len(cluster.jobs()) == 1
        assert cluster.ready_condition()[0] != "Stopping"
        assert cluster.status().last_failure is None
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_job_whose_removal_no_watch_reports_is_not_said_to_have_no_pods() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.checks_created_jobs = False
        cluster.operator.drops_events = True
        cluster.server.remove(job)
        await passes(cluster, 1)
        cluster.operator.drops_events = False
        assert len(cluster.jobs()) == 1
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))
