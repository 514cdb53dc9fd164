"""Large runs: the operator keeps a part of each, and reads the run again when it plans."""

from __future__ import annotations

import asyncio

import pytest

from ...planner.simulation import SPEC
from ..fake_cluster import RUNS, FakeCluster, run_scenario
from ..scenarios import check_final_state, run_first_job


@pytest.fixture(autouse=True)
def every_run_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isheep.kube.cache.records.LARGE_BYTES", 100)


def test_a_large_run_is_executed_like_any_other() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_pass_over_an_unchanged_large_run_reads_nothing() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await run_first_job(cluster)
        record = cluster.operator.cache.runs.get(cluster.uid())
        assert record is not None
        assert record.partial
        await cluster.operator.run_due_passes()
        reads = cluster.server.count("GET", f"{RUNS}/run")
        assert reads
        for _ in range(3):
            cluster.operator.queue.wake(cluster.uid())
            await cluster.operator.run_due_passes()
            await asyncio.sleep(1)
        assert cluster.server.count("GET", f"{RUNS}/run") == reads

    run_scenario(scenario)


def test_a_restarted_operator_knows_the_keys_of_large_runs() -> None:
    """Two runs need the same stages, so the younger one waits for the older one."""

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run("older")
        await asyncio.sleep(2)
        cluster.create_run("younger")
        for _ in range(6):
            await cluster.operator.run_due_passes(1)
            for path in cluster.jobs():
                if cluster.order(path).steps[0].kind == "prepare":
                    cluster.complete(path)
        cluster.start_operator("another")
        await cluster.operator.run_due_passes(60)
        assert cluster.ready_condition("younger")[0] == "WaitingForPeer"
        await cluster.run_to_end("older", "younger")

    cluster = run_scenario(scenario)
    assert max(cluster.simulation.committed.values()) == 1


def test_a_large_run_that_is_deleted_meanwhile_ends_its_pass() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run(spec={**SPEC, "iterations": 1})
        cluster.operator.drops_events = True
        cluster.server.remove(f"{RUNS}/run")
        await cluster.operator.run_due_passes()
        assert cluster.operator.failures == []
        assert cluster.jobs() == []

    run_scenario(scenario)
