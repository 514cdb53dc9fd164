"""A policy keeps the Jobs of a run: an Event says so, and the operator tries again."""

from __future__ import annotations

from ..fake_cluster import RUNS, FakeCluster, run_scenario
from ..scenarios import at_request, reject_with, run_until_respond
from .test_reconciler_expiry import events

DENIED = 'admission webhook "keep.example.com" denied the request: Jobs are kept'


def test_a_job_that_cannot_be_deleted_is_said_once_and_tried_again() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.run_pod(job)
        await cluster.operator.run_due_passes()
        refuse = reject_with(403, DENIED)
        cluster.server.fault = at_request("DELETE", "/jobs/", refuse, times=1000)
        spec = cluster.server.objects[f"{RUNS}/run"]["spec"]
        cluster.server.change(f"{RUNS}/run", spec={**spec, "suspend": True})
        await cluster.operator.run_due_passes(600)
        (message,) = events(cluster, "JobNotDeleted")
        assert DENIED in message
        assert cluster.operator.failures == []
        assert 5 < cluster.server.count("DELETE", "/jobs/") < 20
        cluster.server.fault = lambda method, path: None
        await cluster.operator.run_due_passes(120)
        cluster.collect_garbage()
        await cluster.operator.run_due_passes(10)
        assert cluster.status().phase == "Suspended"

    run_scenario(scenario)
