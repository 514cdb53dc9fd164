"""Passes over a run: its first Job, its transitions, its retries and its end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from unittest.mock import patch

from isheep.kube.passes.reconciler import SETTLE_SECONDS

from ...planner.simulation import outcome, spec_with
from ..builders import condition
from ..fake_cluster import RUNS, FakeCluster, run_scenario
from ..scenarios import at_request, check_final_state, undisturbed_run
from ..virtual_time import now


def test_an_undisturbed_run_succeeds() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.run_to_end()
        assert cluster.operator.failures == []

    cluster = run_scenario(scenario)
    check_final_state(cluster)
    assert cluster.started == undisturbed_run().started
    assert cluster.status().phase == "Succeeded"


def test_a_run_of_two_iterations_succeeds() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run(spec=spec_with(iterations=2))
        await cluster.run_to_end()

    cluster = run_scenario(scenario)
    assert outcome(cluster.status()) == outcome(undisturbed_run(2).run.status)
    assert cluster.started == undisturbed_run(2).started


def test_the_first_pass_creates_a_job_and_writes_the_status() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_pass()
        (job,) = cluster.jobs()
        assert cluster.order(job).steps[0].id == "prepare"
        assert cluster.job(job)["metadata"]["labels"]["isheep.dev/run"] == "run"
        assert cluster.job(job)["spec"]["activeDeadlineSeconds"] == 1800
        status = cluster.server.objects[f"{RUNS}/run"]["status"]
        # The first write of a generation contains both together.
        assert status["observedGeneration"] == 1
        assert {c["observedGeneration"] for c in status["conditions"]} == {1}
        assert cluster.server.count("PATCH") == 1
        assert status["phase"] == "Pending"
        assert cluster.ready_condition()[1] == "prepare: attempt 1 is running"
        await asyncio.sleep(SETTLE_SECONDS)
        await cluster.operator.run_due_passes()
        assert cluster.status().phase == "Running"

    run_scenario(scenario)


def test_a_pass_uses_its_own_writes_before_their_events_arrive() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        cluster.operator.drops_events = True
        for _ in range(3):
            cluster.operator.queue.wake(cluster.uid())
            await cluster.operator.run_due_passes()
        assert (cluster.server.count("POST", "/jobs"), len(cluster.jobs())) == (1, 1)
        # The message changes from "starts" to "is running" and then stays the same.
        assert cluster.server.count("PATCH") == 2
        assert cluster.operator.failures == []

    run_scenario(scenario)


def test_each_transition_of_the_status_has_one_event() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.run_to_end()
        events = [o for p, o in cluster.server.objects.items() if "/events/" in p]
        reported = [(e["reason"], e["message"]) for e in events]
        assert reported[0][0] == "Pending"
        assert ("StageCommitted", "i1/train") in reported
        assert reported[-1] == ("Succeeded", "every stage is committed")
        assert {e["involvedObject"]["uid"] for e in events} == {cluster.uid()}
        assert len(set(reported)) == len(reported)

    run_scenario(scenario)


def test_a_job_is_deleted_only_after_its_result_is_in_the_status() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        cluster.complete(job)

        def check() -> None:
            records = {(r.id, r.committed) for r in cluster.status().stages}
            assert ("prepare", True) in records

        cluster.server.fault = at_request("DELETE", "jobs", check)
        await cluster.operator.run_due_passes()
        assert "deletionTimestamp" in cluster.job(job)["metadata"]

    run_scenario(scenario)


def test_a_failed_run_is_retried_when_the_annotation_requests_it() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        cluster.fail(job, 70, "Traceback: boom")
        await cluster.operator.run_due_passes()
        failure = cluster.status().last_failure
        assert failure is not None
        assert (cluster.status().phase, failure.reason) == ("Failed", "Defect")
        assert "boom" in failure.message
        assert failure.pod == f"{job.rpartition('/')[2]}-0"
        # The last failed Job of a stage remains, with its logs.
        await cluster.operator.run_due_passes(10_000)
        assert cluster.jobs(active=False) == [job]
        cluster.server.change(path, metadata={"annotations": {"isheep.dev/retry": "1"}})
        await cluster.operator.run_due_passes()
        assert cluster.order(cluster.jobs()[0]).attempt == 2
        await cluster.run_to_end()
        assert cluster.status().last_handled_retry == "1"

    cluster = run_scenario(scenario)
    assert cluster.status().phase == "Succeeded"


def test_a_counted_failure_is_retried_after_its_delay() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        cluster.fail(cluster.jobs()[0], 74)
        await cluster.operator.run_due_passes()
        assert cluster.jobs() == []
        await cluster.operator.run_due_passes(9)
        assert cluster.jobs() == []
        await cluster.operator.run_due_passes(5)
        assert [cluster.order(j).attempt for j in cluster.jobs()] == [2]
        await cluster.run_to_end()

    assert run_scenario(scenario).status().phase == "Succeeded"


def test_a_clock_that_jumps_back_after_a_plan_delays_the_retry_by_a_list_at_most() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()

        def jump() -> None:
            wrong = timedelta(minutes=-90)
            patch.object(cluster.operator.reconciler, "_now", lambda: now() + wrong).start()
            # The answer to the write has the newest version, so its event wakes nobody.
            cluster.operator.drops_events = True

        cluster.server.fault = at_request("PATCH", "status", jump)
        cluster.fail(cluster.jobs()[0], 74)
        await cluster.operator.run_due_passes()
        assert cluster.jobs() == []
        await cluster.operator.run_due_passes(301)
        assert [cluster.order(j).attempt for j in cluster.jobs()] == [2]

    run_scenario(scenario)


def test_a_job_in_a_queue_runs_after_kueue_admits_it() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run(labels={"kueue.x-k8s.io/queue-name": "gpus"})
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        assert cluster.job(job)["spec"]["suspend"] is True
        cluster.server.change(job, status={"conditions": [condition("Suspended")]})
        await cluster.operator.run_due_passes()
        assert (cluster.status().phase, cluster.ready_condition()[0]) == ("Pending", "Queued")
        spec = {**cluster.job(job)["spec"], "suspend": False}
        cluster.server.change(job, spec=spec)
        cluster.run_pod(job)
        await cluster.operator.run_due_passes()
        assert cluster.ready_condition()[0] == "Running"
        # Only Kueue changes this field.
        assert cluster.server.count("PUT", "jobs") == cluster.server.count("PATCH", "jobs") == 0

    run_scenario(scenario)
