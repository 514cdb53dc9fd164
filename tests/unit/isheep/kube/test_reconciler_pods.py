"""Pods of a run's Jobs: why they wait, how they ended, and pods that do not answer."""

from __future__ import annotations

import asyncio
from typing import Any

from isheep.kube.operator import PASS_SECONDS
from isheep.kube.pod_inspection import POLL_SECONDS

from .fake_api_server import Fault
from .fake_cluster import JOBS, PODS, FakeCluster, run_scenario
from .scenarios import at_request, check_final_state
from .virtual_time import monotonic


def test_a_missing_secret_stalls_the_run_until_it_exists() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        waiting = {"reason": "CreateContainerConfigError", "message": 'secret "s3" not found'}
        cluster.put_pod(
            job, {"containerStatuses": [{"name": "worker", "state": {"waiting": waiting}}]}
        )
        cluster.server.change(job, status={"active": 1, "ready": 0})
        await cluster.operator.run_due_passes(10)
        assert cluster.ready_condition()[0] != "SecretNotFound"
        await asyncio.sleep(6)
        await cluster.operator.run_due_passes()
        assert (cluster.status().phase, cluster.ready_condition()[0]) == (
            "Stalled",
            "SecretNotFound",
        )
        assert len(cluster.jobs()) == 1
        cluster.run_pod(job)
        await cluster.operator.run_due_passes()
        assert cluster.status().phase == "Running"
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_quota_on_pods_is_read_from_the_events_of_the_job() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        event = {
            "metadata": {"generateName": "e."},
            "involvedObject": {"uid": cluster.job(job)["metadata"]["uid"]},
            "reason": "FailedCreate",
            "message": 'Error creating: pods "x" is forbidden: exceeded quota: pods',
        }
        cluster.server.put("/api/v1/namespaces/ns/events", event)
        await asyncio.sleep(16)
        await cluster.operator.run_due_passes()
        assert (cluster.status().phase, cluster.ready_condition()[0]) == (
            "Stalled",
            "QuotaExceeded",
        )

    run_scenario(scenario)


def test_an_ended_job_counts_as_running_until_its_pods_are_read() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()

        def unreachable() -> None:
            raise Fault(after=False)

        cluster.server.fault = at_request("GET", "pods", unreachable, times=3)
        cluster.complete(job)
        await cluster.operator.run_due_passes()
        assert len(cluster.operator.failures) == 1
        assert len(cluster.jobs(active=False)) == 1
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_pods_of_other_jobs_are_ignored() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        cluster.complete(cluster.jobs()[0])
        other = {"name": "other", "labels": {"batch.kubernetes.io/controller-uid": "another"}}
        cluster.server.put(PODS, {"metadata": other, "status": {"phase": "Failed", "reason": "x"}})
        await cluster.operator.run_due_passes()
        assert cluster.status().last_failure is None

    run_scenario(scenario)


def test_pods_that_do_not_answer_do_not_delay_a_pass_beyond_its_limit() -> None:
    """A pass of more than 120 seconds counts as a hanging process, and Kubernetes restarts it."""

    async def silence(url: str) -> Any:
        await asyncio.sleep(POLL_SECONDS)
        raise TimeoutError

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        cluster.checks_created_jobs = False
        cluster.session.answer = silence
        template = cluster.job(cluster.jobs()[0])
        for number in range(80):
            labels = template["metadata"]["labels"]
            steps = {"isheep.dev/steps": f'[{{"id":"i1/respond","key":"{number}"}}]'}
            metadata = {"name": f"x{number}", "namespace": "ns", "labels": labels}
            cluster.server.put(JOBS, {**template, "metadata": {**metadata, "annotations": steps}})
            cluster.run_pod(f"{JOBS}/x{number}")
        await asyncio.sleep(60)
        start = monotonic()
        await cluster.operator.run_pass()
        assert monotonic() - start < PASS_SECONDS

    run_scenario(scenario)
