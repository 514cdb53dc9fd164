"""Existing Jobs: the run adopts its own Jobs and never takes or deletes a Job of another owner."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import pytest

from isheep.kube.client import ApiError, Check

from ..fake_cluster import JOBS, ONE_ITERATION_SPEC, FakeCluster, run_scenario
from ..scenarios import at_request, check_final_state, reject_with

Json = dict[str, Any]


def test_an_existing_job_of_the_run_is_adopted() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        uid = cluster.job(job)["metadata"]["uid"]
        # The operator created the Job and ended before it wrote the status. The first LIST of the
        # new operator does not contain the Job.
        cluster.server.change(path, status={"observedGeneration": -1})
        cluster.start_operator(jobs=False)
        await cluster.operator.run_due_passes()
        assert cluster.jobs() == [job]
        assert cluster.job(job)["metadata"]["uid"] == uid
        assert cluster.status().phase in ("Pending", "Running")
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_the_run_waits_for_an_existing_job_that_is_being_deleted() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        await cluster.server.delete(job, cluster.job(job)["metadata"]["uid"])
        cluster.server.change(path, status={"observedGeneration": -1})
        cluster.start_operator(jobs=False)
        await cluster.operator.run_due_passes(20)
        assert cluster.jobs() == [job]
        assert cluster.status().phase != "Stalled"
        cluster.collect_garbage()
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_conflict_without_an_existing_job_is_retried() -> None:
    """A POST gets 409 and the GET 404; conflicts of a quota are also 409."""

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        cluster.server.fault = at_request("POST", "/jobs", reject_with(409), times=2)
        await cluster.operator.run_due_passes()
        assert len(cluster.jobs()) == 1
        assert cluster.status().phase in ("Pending", "Running")
        await cluster.run_to_end()
        assert cluster.operator.failures == []

    check_final_state(run_scenario(scenario))


def test_a_job_of_another_owner_with_the_same_name_stalls_the_run_until_its_deletion() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        foreign = {**cluster.job(job)}
        foreign["metadata"] = {"name": job.rpartition("/")[2], "namespace": "ns"}
        # The run starts from the beginning, and another object has the name of its Job.
        cluster.server.remove(job)
        cluster.server.change(path, status={"observedGeneration": -1})
        cluster.checks_created_jobs = False
        cluster.server.put(JOBS, foreign)
        cluster.start_operator()
        await cluster.operator.run_due_passes()
        assert (cluster.status().phase, cluster.ready_condition()[0]) == (
            "Stalled",
            "JobNameConflict",
        )
        assert job.rpartition("/")[2] in cluster.ready_condition()[1]
        await cluster.operator.run_due_passes(30)
        assert cluster.ready_condition()[0] == "JobNameConflict"
        # The Job belongs to another owner, so the operator must not delete it.
        assert cluster.server.count("DELETE") == 0
        cluster.server.remove(job)
        cluster.checks_created_jobs = True
        await asyncio.sleep(60)
        await cluster.run_to_end()
        assert cluster.operator.failures == []

    check_final_state(run_scenario(scenario))


def test_a_job_that_is_created_after_a_timeout_of_the_api_server_is_adopted_at_once() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        server = cluster.server

        async def create_and_time_out(path: str, document: Json, *, check: Check) -> Json:
            await server.create(path, document, check=check)
            raise ApiError(504, "Timeout", "Timeout: request did not complete", ())

        # The watch is late, so only a request can show the Job.
        cluster.operator.drops_events = True
        with patch.object(server, "create_admitted", create_and_time_out):
            cluster.operator.receive_list()
            await cluster.operator.run_due_passes()
        assert len(cluster.jobs()) == 1
        assert cluster.ready_condition()[0] == "Running"
        assert server.count("POST", "/jobs") == 1
        cluster.operator.drops_events = False
        cluster.operator.receive_list()
        await cluster.run_to_end()
        assert cluster.operator.failures == []

    check_final_state(run_scenario(scenario))


@pytest.mark.parametrize("created", [False, True])
def test_a_timeout_is_a_refusal_until_the_job_exists(created: bool) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        server = cluster.server
        late: list[tuple[str, Json]] = []

        async def time_out(path: str, document: Json, *, check: Check) -> Json:
            late.append((path, document))
            raise ApiError(504, "Timeout", "Timeout: request did not complete", ())

        with patch.object(server, "create_admitted", time_out):
            await cluster.operator.run_due_passes()
        assert cluster.ready_condition()[0] == "WebhookFailed"
        cluster.operator.drops_events = True
        if created:
            server.put(*late[0])
        await cluster.operator.run_due_passes(10)
        assert len(cluster.jobs()) == 1
        assert cluster.ready_condition()[0] == "Running"
        cluster.operator.drops_events = False
        cluster.operator.receive_list()
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_the_failure_of_a_job_without_its_attempt_label_counts() -> None:
    """The labels of its pods, which nobody can change, have the number of the attempt."""

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        labels = {**cluster.job(job)["metadata"]["labels"]}
        del labels["isheep.dev/attempt"]
        cluster.server.change(job, metadata={"labels": labels})
        cluster.fail(job, 69)
        await asyncio.sleep(120)
        await cluster.operator.run_due_passes()
        (record,) = cluster.status().stages
        assert (record.id, record.attempts) == ("prepare", 1)

    run_scenario(scenario)


def test_a_job_without_its_annotations_stalls_the_run_that_needs_its_name() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        cluster.checks_created_jobs = False
        cluster.server.change(job, metadata={"annotations": {}})
        await cluster.operator.run_due_passes()
        assert (cluster.status().phase, cluster.ready_condition()[0]) == (
            "Stalled",
            "JobNameConflict",
        )
        cluster.server.remove(job)
        await asyncio.sleep(60)
        await cluster.operator.run_due_passes()
        assert [cluster.order(j).steps[0].id for j in cluster.jobs()] == ["prepare"]

    run_scenario(scenario)


def test_a_job_of_another_owner_with_the_same_name_is_not_deleted() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        cluster.checks_created_jobs = False

        def replace() -> None:
            document = cluster.job(job)
            cluster.server.remove(job)
            metadata = {k: document["metadata"][k] for k in ("name", "namespace")}
            cluster.server.put(JOBS, {**document, "metadata": metadata})

        cluster.server.fault = at_request("DELETE", "jobs", replace)
        cluster.server.change(path, spec={**ONE_ITERATION_SPEC, "suspend": True})
        await cluster.operator.run_due_passes()
        assert "deletionTimestamp" not in cluster.job(job)["metadata"]
        assert cluster.operator.failures == []

    run_scenario(scenario)
