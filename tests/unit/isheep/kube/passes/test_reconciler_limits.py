"""The limit of working runs with several workers, restarts and faults, in virtual time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ...planner.simulation import spec_with
from ..concurrent_workers import work_until_over
from ..fake_api_server import Fault, FaultFunction, fail_at_random
from ..fake_cluster import RUNS, FakeCluster, run_scenario

LIMIT = 2
NAMES = [f"run-{number}" for number in range(6)]
TWO = {"runsPerNamespace": LIMIT}


def create_runs(cluster: FakeCluster, names: list[str] = NAMES) -> None:
    """Create runs that share no stage, so that no run waits for a peer."""
    for number, name in enumerate(names):
        spec = spec_with(iterations=1, instructions={"count": 4}, randomSeed=number + 1)
        time = f"2026-01-01T00:00:{number:02}Z"
        cluster.create_run(name, spec, creationTimestamp=time)


def working(cluster: FakeCluster) -> set[str]:
    """Return the runs with a Job that has not ended."""
    return {cluster.job(path)["metadata"]["labels"]["isheep.dev/run"] for path in cluster.jobs()}


def watch_limit(cluster: FakeCluster, seen: list[set[str]]) -> None:
    """Note the working runs after each change of a Job."""

    def note(_: str, document: dict[str, object]) -> None:
        if document.get("kind") == "Job":
            seen.append(working(cluster))

    cluster.server.watchers.append(note)


@pytest.mark.parametrize(("workers", "seed"), [(4, 1), (16, 2)])
def test_several_workers_never_exceed_the_limit(workers: int, seed: int) -> None:
    check_limit(workers, seed, NAMES[:4])


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 4, 16])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_several_workers_never_exceed_the_limit_with_any_timing(workers: int, seed: int) -> None:
    check_limit(workers, seed, NAMES)


def check_limit(workers: int, seed: int, names: list[str]) -> None:
    """Run passes at the same time, with delays and faults from a seed, until all runs end."""
    chance = random.Random(seed)
    seen: list[set[str]] = []

    async def scenario(cluster: FakeCluster) -> None:
        cluster.server.latency = lambda: chance.choice([0, 0.0625, 0.125])
        cluster.server.fault = fail_at_random(seed, 0.05)
        watch_limit(cluster, seen)
        create_runs(cluster, names)
        await work_until_over(cluster, names, chance, workers=workers, steps=4000)

    cluster = run_scenario(scenario, limits=TWO)
    assert max(map(len, seen)) == LIMIT
    assert {cluster.status(name).phase for name in names} == {"Succeeded"}


async def begin(cluster: FakeCluster) -> None:
    create_runs(cluster)
    await cluster.operator.run_due_passes()


async def finish(cluster: FakeCluster, name: str) -> None:
    """Complete the Jobs of one run until it has ended."""
    for _ in range(100):
        cluster.collect_garbage()
        for path in cluster.jobs():
            if cluster.job(path)["metadata"]["labels"]["isheep.dev/run"] == name:
                cluster.complete(path)
        await cluster.operator.run_due_passes(1.0)
        if cluster.is_over(name):
            return
    raise AssertionError(f"{name} has not ended")


def test_the_oldest_runs_work_and_the_others_say_their_place() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await begin(cluster)
        assert working(cluster) == {"run-0", "run-1"}
        reason, message = cluster.ready_condition("run-4")
        assert reason == "RunLimit"
        assert "run-0, run-1" in message
        assert "the place of this run is 3 in the queue, after run-2, run-3" in message
        assert cluster.status("run-4").start_time is None

    run_scenario(scenario, limits=TWO)


def test_a_free_place_goes_to_the_oldest_run_without_a_wait() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await begin(cluster)
        await finish(cluster, "run-1")
        assert working(cluster) == {"run-0", "run-2"}
        await cluster.operator.run_due_passes(61.0)
        assert "is 1 in the queue" in cluster.ready_condition("run-3")[1]

    run_scenario(scenario, limits=TWO)


@pytest.mark.parametrize("begins", [0, 3])
def test_a_run_that_another_one_precedes_says_its_new_place_within_a_minute(begins: int) -> None:
    """Two runs that were created in the same second have the order of their UIDs."""

    async def scenario(cluster: FakeCluster) -> None:
        create_runs(cluster, ["run-0", "run-1"])
        await cluster.operator.run_due_passes(begins)
        spec = spec_with(iterations=1, instructions={"count": 4}, randomSeed=8)
        cluster.create_run("late", spec, creationTimestamp="2026-01-01T00:01:00Z")
        await cluster.operator.run_due_passes(begins)
        assert "is 1 in the queue" in cluster.ready_condition("late")[1]
        spec = spec_with(iterations=1, instructions={"count": 4}, randomSeed=9)
        cluster.create_run("early", spec, creationTimestamp="2026-01-01T00:00:59Z")
        await cluster.operator.run_due_passes(begins)
        await cluster.operator.run_due_passes(61.0)
        assert "is 1 in the queue" in cluster.ready_condition("early")[1]
        assert "is 2 in the queue, after early" in cluster.ready_condition("late")[1]

    run_scenario(scenario, limits=TWO)


def test_a_suspended_run_frees_its_place_and_takes_none_from_a_working_run() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await begin(cluster)
        path = f"{RUNS}/run-0"
        spec = cluster.server.objects[path]["spec"]
        cluster.server.change(path, spec={**spec, "suspend": True})
        await cluster.operator.run_due_passes()
        # Its pods have not ended yet.
        assert working(cluster) == {"run-0", "run-1"}
        cluster.collect_garbage()
        await cluster.operator.run_due_passes()
        assert working(cluster) == {"run-1", "run-2"}
        cluster.server.change(path, spec={**spec, "suspend": False})
        await cluster.operator.run_due_passes()
        assert working(cluster) == {"run-1", "run-2"}
        assert "is 1 in the queue" in cluster.ready_condition("run-0")[1]
        await finish(cluster, "run-2")
        assert working(cluster) == {"run-0", "run-1"}

    run_scenario(scenario, limits=TWO)


def test_a_deleted_run_keeps_its_place_until_its_job_is_gone() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await begin(cluster)
        (job,) = [p for p in cluster.jobs() if _owner(cluster, p) == "run-0"]
        cluster.server.remove(f"{RUNS}/run-0")
        await cluster.operator.run_due_passes()
        assert working(cluster) == {"run-0", "run-1"}
        cluster.start_operator()
        await cluster.operator.run_due_passes()
        assert working(cluster) == {"run-0", "run-1"}
        cluster.server.remove(job)
        await cluster.operator.run_due_passes()
        assert working(cluster) == {"run-1", "run-2"}

    run_scenario(scenario, limits=TWO)


def test_an_operator_that_restarts_keeps_the_places() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await begin(cluster)
        # Between two Jobs of run-1, the operator starts again and plans the other runs first.
        (path,) = [p for p in cluster.jobs() if _owner(cluster, p) == "run-1"]
        cluster.complete(path)
        operator = cluster.start_operator()
        for name in ("run-2", "run-3"):
            await operator.reconciler.reconcile(cluster.uid(name))
        assert {"run-2", "run-3"}.isdisjoint(working(cluster))
        await operator.run_due_passes(1.0)
        cluster.collect_garbage()
        await operator.run_due_passes(1.0)
        assert working(cluster) == {"run-0", "run-1"}

    run_scenario(scenario, limits=TWO)


def test_a_run_that_waits_does_not_keep_a_younger_peer_waiting() -> None:
    """The younger run has a place and the same stages, so it makes them."""

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run("old", creationTimestamp="2026-01-01T00:00:00Z")
        cluster.create_run("young", creationTimestamp="2026-01-01T00:00:09Z")
        await cluster.operator.run_due_passes()
        assert working(cluster) == {"old"}
        spec = cluster.server.objects[f"{RUNS}/old"]["spec"]
        cluster.server.change(f"{RUNS}/old", spec={**spec, "suspend": True})
        await cluster.operator.run_due_passes()
        cluster.collect_garbage()
        await cluster.operator.run_due_passes()
        cluster.server.change(f"{RUNS}/old", spec={**spec, "suspend": False})
        await finish(cluster, "young")
        await finish(cluster, "old")

    cluster = run_scenario(scenario, limits={"runsPerNamespace": 1})
    assert all(times == 1 for times in cluster.simulation.committed.values())


def _owner(cluster: FakeCluster, path: str) -> str:
    return str(cluster.job(path)["metadata"]["labels"]["isheep.dev/run"])


def fail_first_create(*, after: bool) -> FaultFunction:
    """Return a fault function with which the first CREATE of a Job fails."""
    left = 1

    def fault(method: str, path: str) -> None:
        nonlocal left
        if method == "POST" and "/jobs" in path and left:
            left -= 1
            raise Fault(after=after)

    return fault


@pytest.mark.parametrize("after", [False, True])
def test_a_job_whose_creation_had_no_answer_keeps_the_place(after: bool) -> None:
    seen: list[set[str]] = []

    async def scenario(cluster: FakeCluster) -> None:
        watch_limit(cluster, seen)
        cluster.server.fault = fail_first_create(after=after)
        create_runs(cluster)
        cluster.operator.drops_events = True
        await cluster.operator.run_due_passes(5.0)
        cluster.operator.drops_events = False
        cluster.operator.receive_list()
        await cluster.operator.run_due_passes(5.0)
        assert working(cluster) == {"run-0", "run-1"}

    run_scenario(scenario, limits=TWO)
    assert max(map(len, seen)) == LIMIT
