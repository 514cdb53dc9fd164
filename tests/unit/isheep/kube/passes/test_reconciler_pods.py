"""Pods of a run's Jobs: why they wait, how they ended, and pods that do not answer."""

from __future__ import annotations

import asyncio
from typing import Any

from isheep.contract.order import Outcome
from isheep.kube.passes.polls import POLL_SECONDS
from isheep.kube.passes.reconciler import MAX_INSPECTIONS

from ..builders import result_text, terminated
from ..fake_api_server import Fault
from ..fake_cluster import JOBS, PODS, FakeCluster, run_scenario
from ..scenarios import at_request, check_final_state, run_first_job, run_until_respond
from ..virtual_time import monotonic, now

EVENTS = "/api/v1/namespaces/ns/events"


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
        # The pod has ended, another one has not begun, and nobody has looked at it yet.
        cluster.server.change(job, status={"active": 1, "ready": 0})
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


def test_pods_that_are_refused_again_and_again_do_not_rewrite_the_status() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        name = job.rpartition("/")[2]
        patches: list[int] = []
        for number in range(20):
            event = {
                "metadata": {"generateName": "e."},
                "involvedObject": {"uid": cluster.job(job)["metadata"]["uid"]},
                "reason": "FailedCreate",
                "message": f'Error creating: pods "{name}-0-abc{number:02}" is forbidden: no',
                "lastTimestamp": now().isoformat(),
            }
            cluster.server.put(EVENTS, event)
            await cluster.operator.run_due_passes(30)
            patches.append(cluster.server.count("PATCH"))
        assert cluster.ready_condition()[0] == "PodsNotCreated"
        assert f'pods "{name}-0" is forbidden' in cluster.ready_condition()[1]
        assert patches[-1] == patches[0]

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


def test_pods_that_do_not_answer_do_not_delay_a_pass() -> None:
    """A NetworkPolicy may close the port of every pod to the operator."""

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
        assert await cluster.operator.run_pass() is not None
        assert monotonic() == start
        await cluster.operator.run_due_passes(POLL_SECONDS + 1)
        assert len(cluster.session.urls) >= MAX_INSPECTIONS

    run_scenario(scenario)


def test_an_answer_wakes_its_run_and_a_silent_pod_is_polled_less_often() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.session.answer = lambda url: {"itemsDone": 7, "itemsTotal": 40}
        cluster.run_pod(job)
        await cluster.operator.run_due_passes(100)
        stage = cluster.status().stage
        assert stage is not None
        assert stage.items_done == 7
        cluster.session.answer = lambda url: TimeoutError()
        asked = len(cluster.session.urls)
        await cluster.operator.run_due_passes(3600)
        assert 5 <= len(cluster.session.urls) - asked <= 13
        cluster.session.answer = lambda url: {"itemsDone": 8, "itemsTotal": 40}
        await cluster.operator.run_due_passes(600)
        stage = cluster.status().stage
        assert stage is not None
        assert stage.items_done == 8

    run_scenario(scenario)


def _failed_pod(code: int, **result: Any) -> dict[str, Any]:
    text = result_text(Outcome.FAILED, exit_code=code, **result)
    return {
        "phase": "Failed",
        "containerStatuses": [{"name": "worker", "state": terminated(code, text)}],
    }


def test_the_first_pod_that_fails_is_in_the_status_at_once() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_first_job(cluster)
        failed = _failed_pod(69, reason="StoreUnreachable", message="no answer from s3://bucket")
        cluster.put_pod(job, failed)
        cluster.server.change(job, status={"active": 0, "failed": 1})
        await cluster.operator.run_due_passes()
        reason, message = cluster.ready_condition()
        assert (cluster.status().phase, reason) == ("Running", "Retrying")
        assert "no answer from s3://bucket" in message
        failure = cluster.status().last_failure
        assert failure is not None
        assert (failure.stage, failure.reason) == ("prepare", "StoreUnreachable")
        # The same failure of the next pod is neither news nor a reason to write.
        cluster.server.change(job, status={"active": 1, "ready": 1, "failed": 1})
        await cluster.operator.run_due_passes()
        assert cluster.ready_condition()[0] == "Running"
        assert len(_events(cluster, "StoreUnreachable")) == 1
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_run_with_a_wrong_credential_stays_stalled_and_creates_one_event() -> None:
    """Its state does not change at each try, and the end of an attempt does not hide the cause."""

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        message = "cannot get x in s3://bucket (InvalidAccessKeyId). Check the credential"
        result = result_text(Outcome.FAILED, exit_code=64, reason="StoreRefused", message=message)
        shown: list[str] = []

        def note(kind: str, document: dict[str, Any]) -> None:
            if document.get("kind") == "SelfAlignmentRun" and shown:
                shown.append(cluster.ready_condition()[0])

        cluster.server.watchers.append(note)
        for _ in range(4):
            while not (jobs := cluster.jobs()):
                await cluster.operator.run_due_passes(30)
            cluster.run_pod(jobs[0])
            await cluster.operator.run_due_passes(10)
            cluster.fail(jobs[0], 64, result)
            await cluster.operator.run_due_passes()
            shown.append(cluster.ready_condition()[0])
            cluster.collect_garbage()
        assert set(shown) == {"StoreRefused"}
        assert cluster.status().phase == "Stalled"
        assert len(_events(cluster, "StoreRefused")) == 2
        while not cluster.jobs():
            await cluster.operator.run_due_passes(30)
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def _events(cluster: FakeCluster, reason: str) -> list[str]:
    found = [o for p, o in cluster.server.objects.items() if p.startswith(EVENTS)]
    return [event["message"] for event in found if event["reason"] == reason]
