"""Rejected Jobs: the run is stalled with the reason, and the Job is created again later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from ...planner.simulation import spec_with
from ..fake_cluster import ONE_ITERATION_SPEC, FakeCluster, run_scenario
from ..scenarios import at_request, check_final_state, reject_with

QUOTA = 'jobs.batch "x" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1'


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (reject_with(403, QUOTA), "QuotaExceeded"),
        (
            reject_with(403, "it is being terminated", "NamespaceTerminating"),
            "NamespaceTerminating",
        ),
        (reject_with(403, "User cannot create resource jobs"), "JobForbidden"),
        (reject_with(422, "Job.batch is invalid: spec.template: Required value"), "JobInvalid"),
    ],
    ids=["quota", "terminating namespace", "RBAC", "invalid"],
)
def test_a_rejected_job_stalls_the_run_and_is_retried(act: Callable[[], None], reason: str) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        cluster.server.fault = at_request("POST", "/jobs", act, times=3)
        await cluster.operator.run_due_passes()
        assert (cluster.status().phase, cluster.ready_condition()[0]) == ("Stalled", reason)
        kinds = {c.type for c in cluster.status().conditions if c.status == "True"}
        assert kinds == {"Stalled"}
        posts = cluster.server.count("POST", "/jobs")
        assert posts == 1
        # The retries come after 5, 10 and 20 seconds.
        await cluster.operator.run_due_passes(4.5)
        assert cluster.server.count("POST", "/jobs") == 1
        await cluster.operator.run_due_passes(2)
        assert (cluster.server.count("POST", "/jobs"), cluster.status().phase) == (2, "Stalled")
        await cluster.operator.run_due_passes(8)
        assert cluster.server.count("POST", "/jobs") == 2
        await asyncio.sleep(40)
        await cluster.operator.run_due_passes()
        assert cluster.server.count("POST", "/jobs") == 3
        await cluster.run_to_end()
        assert cluster.operator.failures == []

    cluster = run_scenario(scenario)
    check_final_state(cluster)
    warnings = [
        o["reason"]
        for p, o in cluster.server.objects.items()
        if "/events/" in p and o["type"] == "Warning"
    ]
    assert warnings == [reason]


def test_a_rejection_between_stages_does_not_change_the_final_state() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        cluster.server.fault = at_request("POST", "/jobs", reject_with(403, QUOTA), times=5)
        await cluster.run_to_end()
        assert cluster.operator.failures == []

    check_final_state(run_scenario(scenario))


def test_a_rejected_job_is_no_attempt_if_the_run_is_suspended_before_the_next_try() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        cluster.server.fault = at_request("POST", "/jobs", reject_with(403, QUOTA))
        await cluster.operator.run_due_passes()
        assert cluster.ready_condition()[0] == "QuotaExceeded"
        cluster.server.change(path, spec={**ONE_ITERATION_SPEC, "suspend": True})
        await cluster.operator.run_due_passes()
        assert cluster.status().phase == "Suspended"
        assert cluster.status().stages == ()
        cluster.server.change(path, spec=ONE_ITERATION_SPEC)
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        assert cluster.order(job).attempt == 1
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_an_edit_ends_the_wait_of_a_rejected_job() -> None:
    """The person may have removed the cause, for example a label that a policy refuses."""

    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        refuse = reject_with(403, QUOTA)
        cluster.server.fault = at_request("POST", "/jobs", refuse, times=4)
        await cluster.operator.run_due_passes(40)
        assert cluster.server.count("POST", "/jobs") == 4
        edited = {**ONE_ITERATION_SPEC, "compute": {"inference": {"podLabels": {"team": "a"}}}}
        cluster.server.change(path, spec=edited)
        await cluster.operator.run_due_passes()
        assert cluster.server.count("POST", "/jobs") == 5
        assert len(cluster.jobs()) == 1
        await cluster.run_to_end()

    run_scenario(scenario)


def test_an_order_that_is_too_large_stalls_the_run() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        names = [f"b{i}" for i in range(64)]
        uri = "s3://bucket/" + "x" * 1000
        benchmarks = [{"name": n, "storageUri": uri} for n in names]
        cluster.create_run(spec=spec_with(curation={"decontamination": {"benchmarks": benchmarks}}))
        await cluster.operator.run_due_passes()
        assert (cluster.status().phase, cluster.ready_condition()[0]) == ("Stalled", "JobInvalid")
        assert "bytes" in cluster.ready_condition()[1]
        assert cluster.jobs() == []

    run_scenario(scenario)


def test_a_rejected_job_that_an_edit_replaces_is_not_called_stopping() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        cluster.server.fault = at_request("POST", "/jobs", reject_with(403, QUOTA))
        await cluster.operator.run_due_passes()
        assert cluster.ready_condition()[0] == "QuotaExceeded"
        reasons = []
        patched = cluster.server.patch_status

        async def patch_status(*arguments: Any, **options: Any) -> Any:
            answer = await patched(*arguments, **options)
            reasons.append(cluster.ready_condition()[0])
            return answer

        with patch.object(cluster.server, "patch_status", patch_status):
            cluster.server.change(path, spec={**ONE_ITERATION_SPEC, "seed": 7})
            await cluster.operator.run_due_passes()
        assert reasons
        assert "Stopping" not in reasons
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))
