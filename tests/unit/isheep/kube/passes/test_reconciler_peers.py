"""Several runs with the same stages, and several workers."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..concurrent_workers import work_until_over
from ..fake_api_server import fail_at_random
from ..fake_cluster import RUNS, FakeCluster, run_scenario


def test_two_runs_with_the_same_stages_run_each_stage_once() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run("one")
        cluster.create_run("two")
        await cluster.run_to_end("one", "two")

    cluster = run_scenario(scenario)
    assert all(times == 1 for times in cluster.simulation.committed.values())
    for name in ("one", "two"):
        assert cluster.status(name).phase == "Succeeded"
    assert [r.key for r in cluster.status("one").stages] == [
        r.key for r in cluster.status("two").stages
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_several_workers_reconcile_several_runs(seed: int) -> None:
    check_workers(seed)


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_several_workers_reconcile_several_runs_with_any_timing(seed: int) -> None:
    check_workers(seed)


def check_workers(seed: int) -> None:
    """Let three workers reconcile four runs with faults, and check the ends of the runs."""
    # The times are multiples of 1/16, whose sums are exact, so no timer ends too early.
    chance = random.Random(seed)
    names = [f"run-{number}" for number in range(4)]

    async def scenario(cluster: FakeCluster) -> None:
        cluster.server.latency = lambda: chance.choice([0, 0.0625, 0.125])
        cluster.server.fault = fail_at_random(seed, 0.05)
        for name in names:
            cluster.create_run(name)
        await work_until_over(cluster, names, chance, workers=3, steps=2000)

    cluster = run_scenario(scenario)
    assert all(times == 1 for times in cluster.simulation.committed.values())
    assert {cluster.status(name).phase for name in names} == {"Succeeded"}


@pytest.mark.parametrize("restarted", [False, True])
def test_the_second_run_continues_after_the_first_is_deleted(restarted: bool) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        for name in ("one", "two"):
            cluster.create_run(name)
        for _ in range(2):
            await cluster.operator.run_due_passes()
            for job in cluster.jobs():
                if cluster.order(job).steps[0].id == "prepare":
                    cluster.complete(job)
            await cluster.operator.run_due_passes()
            cluster.collect_garbage()
            await asyncio.sleep(1)
        await cluster.operator.run_due_passes()
        assert cluster.ready_condition("two")[0] == "WaitingForPeer"
        (job,) = cluster.jobs()
        cluster.server.remove(f"{RUNS}/one")
        await cluster.operator.run_due_passes()
        if restarted:
            cluster.start_operator()
            await cluster.operator.run_due_passes()
        assert cluster.jobs() == [job]
        assert cluster.ready_condition("two")[0] == "WaitingForPeer"
        # The garbage collector deletes the Job after its run.
        cluster.server.remove(job)
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        assert cluster.order(job).run.name == "two"

    run_scenario(scenario)
