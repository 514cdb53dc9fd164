"""Suspension, edits and deletion of a run, also during a pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ...planner.simulation import spec_with
from ..fake_api_server import Fault
from ..fake_cluster import ONE_ITERATION_SPEC, RUNS, FakeCluster, run_scenario
from ..scenarios import at_request, check_final_state


def test_suspend_deletes_jobs_and_resume_starts_the_next_attempt() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        cluster.server.change(path, spec={**ONE_ITERATION_SPEC, "suspend": True})
        await cluster.operator.run_due_passes()
        assert cluster.status().phase == "Suspended"
        assert "deletionTimestamp" in cluster.job(job)["metadata"]
        cluster.collect_garbage()
        await cluster.operator.run_due_passes(10_000)
        assert cluster.jobs(active=False) == []
        cluster.server.change(path, spec=ONE_ITERATION_SPEC)
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        assert cluster.order(job).attempt == 2
        await cluster.run_to_end()

    cluster = run_scenario(scenario)
    assert cluster.status().phase == "Succeeded"


@pytest.mark.parametrize("gone", [False, True], ids=["its pods end", "it is gone"])
def test_a_stopped_attempt_counts_although_the_run_resumes_before_its_status(gone: bool) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()

        def resume() -> None:
            cluster.server.change(path, spec=ONE_ITERATION_SPEC)
            if gone:
                cluster.collect_garbage()

        cluster.server.fault = at_request("PATCH", "status", resume)
        cluster.server.change(path, spec={**ONE_ITERATION_SPEC, "suspend": True})
        await cluster.operator.run_due_passes()
        cluster.collect_garbage()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        assert cluster.order(job).attempt == 2
        # The end of the second attempt is not taken for that of the first one.
        cluster.fail(job, 69)
        await cluster.operator.run_due_passes()
        assert cluster.status().stages[0].hold is not None
        await cluster.run_to_end()

    cluster = run_scenario(scenario)
    assert cluster.status().phase == "Succeeded"


def test_a_stop_counts_although_its_answer_is_lost() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()

        def lose_answer(method: str, path: str) -> None:
            if method == "DELETE":
                cluster.server.fault = lambda method, path: None
                cluster.server.change(run, spec=ONE_ITERATION_SPEC)
                raise Fault(after=True)

        run = path
        cluster.server.fault = lose_answer
        cluster.server.change(path, spec={**ONE_ITERATION_SPEC, "suspend": True})
        await cluster.operator.run_due_passes()
        assert len(cluster.operator.failures) == 1
        cluster.collect_garbage()
        await cluster.operator.run_due_passes(60)
        (job,) = cluster.jobs()
        assert cluster.order(job).attempt == 2
        await cluster.run_to_end()

    cluster = run_scenario(scenario)
    assert cluster.status().phase == "Succeeded"


def test_a_run_that_changed_during_a_pass_is_read_again() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        operator = cluster.operator

        def edit() -> None:
            operator.drops_events = True
            cluster.server.change(path, metadata={"annotations": {"a": "b"}})
            operator.drops_events = False

        cluster.server.fault = at_request("PATCH", "status", edit)
        await operator.run_due_passes()
        assert operator.failures == []
        assert cluster.server.count("PATCH") == 2
        assert cluster.status().observed_generation == 1
        assert len(cluster.jobs()) == 1
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_an_edit_during_a_pass_is_planned() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()

        def edit() -> None:
            cluster.server.change(path, spec={**ONE_ITERATION_SPEC, "suspend": True})

        cluster.server.fault = at_request("PATCH", "status", edit)
        await cluster.operator.run_due_passes()
        assert (cluster.status().phase, cluster.status().observed_generation) == ("Suspended", 2)
        cluster.collect_garbage()
        assert cluster.jobs(active=False) == []
        cluster.server.change(path, spec=ONE_ITERATION_SPEC)
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


@pytest.mark.parametrize("event", [True, False], ids=["with an event", "without an event"])
def test_a_job_that_disappears_before_its_deletion_is_replaced(event: bool) -> None:
    """A user deletes the Job when an edit makes the operator delete and replace the Job."""

    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()

        def remove() -> None:
            cluster.operator.drops_events = not event
            cluster.server.remove(job)

        cluster.server.fault = at_request("DELETE", "jobs", remove)
        cluster.server.change(path, spec=spec_with(iterations=1, model={"storageUri": "hf://a/b"}))
        await cluster.operator.run_due_passes()
        cluster.operator.drops_events = False
        cluster.operator.receive_list()
        await asyncio.sleep(3600)
        await cluster.operator.run_due_passes()
        assert len(cluster.jobs()) == 1

    run_scenario(scenario)


@pytest.mark.parametrize("event", [True, False], ids=["with an event", "without an event"])
def test_a_run_that_is_deleted_during_a_pass_is_forgotten(event: bool) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        uid = cluster.server.objects[path]["metadata"]["uid"]

        def delete() -> None:
            cluster.operator.drops_events = not event
            cluster.server.remove(path)
            cluster.operator.drops_events = False

        cluster.server.fault = at_request("PATCH", "status", delete)
        await cluster.operator.run_due_passes()
        assert cluster.operator.failures == []
        assert cluster.operator.cache.runs.get(uid) is None
        assert path not in cluster.server.objects
        requests = len(cluster.server.requests)
        await cluster.operator.run_due_passes(10_000)
        assert len(cluster.server.requests) == requests

    run_scenario(scenario)


def replace_run(cluster: FakeCluster, *, late: bool) -> Callable[[], None]:
    """Return a function that deletes the run and creates it again.

    Args:
        cluster: The cluster of the run.
        late: Whether the events arrive only after the pass.
    """

    def act() -> None:
        cluster.operator.drops_events = late
        cluster.server.remove(f"{RUNS}/run")
        cluster.create_run(spec=spec_with(iterations=2))
        cluster.operator.drops_events = False

    return act


@pytest.mark.parametrize("late", [False, True], ids=["event first", "response first"])
def test_a_run_that_is_replaced_during_a_pass_starts_from_the_beginning(late: bool) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        # The garbage collector deletes the Job of the old run later.
        cluster.checks_created_jobs = False
        path = cluster.create_run()
        old = cluster.server.objects[path]["metadata"]["uid"]
        cluster.server.fault = at_request("PATCH", "status", replace_run(cluster, late=late))
        await cluster.operator.run_due_passes()
        new = cluster.server.objects[path]
        assert new["metadata"]["uid"] != old
        # Now the late event and a LIST arrive.
        cluster.operator.receive_event("ADDED", new)
        cluster.operator.receive_list()
        await cluster.operator.run_due_passes()
        assert cluster.operator.cache.runs.get(old) is None
        assert cluster.status().observed_generation == 1
        (fresh,) = [
            p
            for p in cluster.jobs()
            if cluster.job(p)["metadata"]["labels"]["isheep.dev/run-uid"] == new["metadata"]["uid"]
        ]
        assert cluster.order(fresh).run.uid == new["metadata"]["uid"]
        # The plan for the old run is not written into the new run.
        resolved = cluster.status().resolved
        assert resolved is not None
        assert resolved["spec"]["iterations"] == 2

    run_scenario(scenario)


def test_the_memory_of_a_deleted_run_is_freed() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        cluster.server.remove(path)
        await cluster.operator.run_due_passes()
        assert cluster.operator.reconciler._memories == {}

    run_scenario(scenario)
