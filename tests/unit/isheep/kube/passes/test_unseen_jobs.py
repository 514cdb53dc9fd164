"""Jobs that have lost the label by which the operator watches Jobs."""

from __future__ import annotations

import asyncio

import pytest

from isheep.kube.cache.records import run_record
from isheep.kube.passes.unseen_jobs import LOOK_SECONDS

from ..fake_api_server import Fault
from ..fake_cluster import ONE_ITERATION_SPEC, FakeCluster, run_scenario
from ..scenarios import at_request, check_final_state, run_until_respond

ALL_ITS_SECONDS = 600


def remove_labels(cluster: FakeCluster, job: str) -> None:
    """Replace all labels of a Job; those of its pods stay."""
    cluster.server.change(job, metadata={"labels": {"team": "x"}})


def fail() -> None:
    raise Fault(after=False)


@pytest.mark.parametrize("how", ["event", "list"])
def test_a_job_without_labels_goes_on_and_no_other_one_starts(how: str) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.run_pod(job)
        cluster.operator.drops_events = how == "list"
        remove_labels(cluster, job)
        if how == "list":
            cluster.operator.receive_list()
            cluster.operator.drops_events = False
        await cluster.operator.run_due_passes(ALL_ITS_SECONDS)
        assert cluster.jobs() == [job]
        assert cluster.status().phase == "Running"
        cluster.complete(job)
        # No event reports the end.
        await cluster.operator.run_due_passes(LOOK_SECONDS + 1)
        assert job not in cluster.jobs()
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_job_that_was_deleted_starts_again() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        before = len(cluster.started)
        cluster.server.remove(job)
        await cluster.operator.run_due_passes(1)
        assert len(cluster.started) == before + 1
        assert cluster.server.count("GET", job) == 1
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


async def go_on_with(cluster: FakeCluster, job: str) -> None:
    """Check that a Job is the only one and that its run works, and let the run go on to its end."""
    assert cluster.jobs() == [job]
    assert cluster.status().phase == "Running"
    cluster.complete(job)
    await cluster.operator.run_due_passes(LOOK_SECONDS + 1)
    await cluster.run_to_end()


def test_an_operator_that_starts_adopts_a_job_without_labels() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.run_pod(job)
        remove_labels(cluster, job)
        cluster.start_operator("next")
        # The Lease of the first operator expires.
        await cluster.operator.run_due_passes(ALL_ITS_SECONDS)
        await go_on_with(cluster, job)

    check_final_state(run_scenario(scenario))


def test_a_look_that_fails_is_repeated() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.server.fault = at_request("GET", job, fail)
        remove_labels(cluster, job)
        await cluster.operator.run_due_passes(5)
        assert len(cluster.operator.failures) == 1
        assert cluster.jobs() == [job]
        cluster.complete(job)
        await asyncio.sleep(LOOK_SECONDS)
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def fail_afterwards() -> None:
    raise Fault(after=True)


@pytest.mark.parametrize("suspended", [False, True])
def test_a_job_whose_creation_had_no_answer_is_read_before_the_next_plan(suspended: bool) -> None:
    """The watch is late. The run may not want the Job any more, or leave its stage to a peer."""

    async def scenario(cluster: FakeCluster) -> None:
        run = cluster.create_run()
        cluster.operator.drops_events = True
        cluster.server.fault = at_request("POST", "/jobs", fail_afterwards)
        await cluster.operator.run_pass()
        (job,) = cluster.jobs()
        if suspended:
            edited = cluster.server.change(run, spec={**ONE_ITERATION_SPEC, "suspend": True})
            cluster.operator.cache.runs.put(run_record(edited))
        await cluster.operator.run_due_passes(2)
        assert cluster.server.count("GET", job) == 1
        assert cluster.server.count("POST", "/jobs") == 1
        assert cluster.server.count("DELETE", job) == suspended
        assert cluster.status().phase == ("Suspended" if suspended else "Running")

    run_scenario(scenario)


def test_no_job_starts_if_the_labels_disappear_after_the_look_of_a_pass() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.run_pod(job)
        await cluster.operator.run_due_passes()
        created = cluster.server.count("POST", "/jobs")

        def lose_labels() -> None:
            remove_labels(cluster, job)

        # The pass has looked for such Jobs, and inspects the pods before it plans.
        cluster.server.fault = at_request("GET", "/pods", lose_labels)
        await cluster.operator.run_due_passes(60)
        assert cluster.job(job)["metadata"]["labels"] == {"team": "x"}
        assert cluster.server.count("POST", "/jobs") == created
        await go_on_with(cluster, job)

    check_final_state(run_scenario(scenario))
