"""Writes: the operator writes only changes, limits writes of progress and replaces bad statuses."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from ..fake_cluster import JOBS, RUNS, FakeCluster, run_scenario
from ..scenarios import (
    at_request,
    check_final_state,
    reject_with,
    run_first_job,
    run_until_respond,
)
from ..virtual_time import monotonic


def test_a_pass_without_changes_writes_nothing() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await run_first_job(cluster)
        requests = (
            cluster.server.count("PATCH"),
            cluster.server.count("POST"),
            cluster.server.count("PUT"),
        )
        for _ in range(5):
            cluster.operator.queue.wake(cluster.uid())
            await cluster.operator.run_due_passes()
            await asyncio.sleep(3)
        assert requests == (
            cluster.server.count("PATCH"),
            cluster.server.count("POST"),
            cluster.server.count("PUT"),
        )

    run_scenario(scenario)


def test_a_change_that_no_plan_depends_on_causes_no_new_plan() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_first_job(cluster)
        passes, plans = cluster.operator.passes[cluster.uid()], cluster.operator.plan_count
        cluster.run_pod(job, active=0, ready=0)
        await cluster.operator.run_due_passes()
        assert cluster.operator.passes[cluster.uid()] > passes
        assert cluster.operator.plan_count == plans
        cluster.complete(job)
        await cluster.operator.run_due_passes()
        assert cluster.operator.plan_count > plans
        (following,) = cluster.jobs()
        assert following != job

    run_scenario(scenario)


def test_a_run_that_has_ended_causes_no_requests() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.run_to_end()
        requests = len(cluster.server.requests)
        cluster.operator.queue.wake(cluster.uid())
        await cluster.operator.run_due_passes(100_000)
        cluster.start_operator()
        await cluster.operator.run_due_passes(100_000)
        assert len(cluster.server.requests) == requests

    run_scenario(scenario)


def test_progress_is_written_at_most_once_a_minute() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.session.answer = lambda url: {"itemsDone": int(monotonic()), "itemsTotal": 10_000}
        cluster.run_pod(job)
        await cluster.operator.run_due_passes()
        patches: list[float] = []

        def note(method: str, path: str) -> None:
            if method == "PATCH":
                patches.append(monotonic())

        cluster.server.fault = note
        await asyncio.sleep(60)
        for _ in range(60):
            await asyncio.sleep(10)
            cluster.operator.queue.wake(cluster.uid())
            await cluster.operator.run_due_passes()
        assert 9 <= len(patches) <= 11
        assert all(b - a >= 60 for a, b in pairwise(patches))
        stage = cluster.status().stage
        assert stage is not None
        assert (stage.items_total, cluster.status().progress) == (10_000, "1/1 respond 6%")
        assert monotonic() - 100 < (stage.items_done or 0) <= monotonic()
        assert set(cluster.session.urls) == {"http://10.0.0.7:8080/progress"}

    run_scenario(scenario)


def test_a_commit_is_written_at_once_after_a_recent_write_of_progress() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.session.answer = lambda url: {"itemsDone": 7, "itemsTotal": 40}
        cluster.run_pod(job)
        await cluster.operator.run_due_passes(90)
        cluster.complete(job)
        await cluster.operator.run_due_passes()
        assert "i1/respond" in {r.id for r in cluster.status().stages if r.committed}

    run_scenario(scenario)


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": "one"},
        {"observedGeneration": 1, "stages": [{"id": 3}]},
        {"observedGeneration": 1, "conditions": "none", "phase": "Running"},
    ],
)
def test_a_status_that_cannot_be_parsed_is_replaced(status: dict[str, Any]) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        for job in cluster.jobs():
            cluster.complete(job)
        await cluster.operator.run_due_passes()
        cluster.collect_garbage()
        await cluster.operator.run_due_passes()
        cluster.server.change(path, status=status)
        cluster.checks_created_jobs = False
        await cluster.run_to_end()
        assert cluster.operator.failures == []

    cluster = run_scenario(scenario)
    assert cluster.status().phase == "Succeeded"
    # prepare finds the committed stages, so no stage runs twice.
    assert all(times == 1 for times in cluster.simulation.committed.values())


@pytest.mark.parametrize("resolved", [{}, {"generation": 1, "spec": "none"}, {"generation": "x"}])
def test_a_resolved_spec_that_cannot_be_parsed_is_replaced(resolved: dict[str, Any]) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        status = cluster.server.objects[path]["status"]
        cluster.server.change(path, status={**status, "resolved": resolved})
        await cluster.operator.run_due_passes()
        assert cluster.status().resolved != resolved

    run_scenario(scenario)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (413, "etcdserver: request is too large"),
        (403, 'ValidatingAdmissionPolicy "labels" denied request: name the team'),
        (429, 'admission webhook "labels.example.com" denied the request: name the team'),
    ],
)
def test_a_status_that_is_refused_is_reported_and_stops_the_jobs_of_the_run(
    code: int, message: str
) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.run_pod(job)
        await cluster.operator.run_due_passes()
        refused = reject_with(code, message)
        cluster.server.fault = at_request("PATCH", "/status", refused, times=1000)
        before = cluster.status()
        cluster.fail(job, 74)
        await cluster.operator.run_due_passes()
        cluster.collect_garbage()
        created = cluster.server.count("POST", "/jobs")
        await cluster.operator.run_due_passes(3600)
        assert cluster.operator.failures == []
        assert cluster.jobs() == []
        assert cluster.status() == before
        # No Job starts whose result cannot be stored, and there is one Event.
        assert cluster.server.count("POST", "/jobs") == created
        events = "/api/v1/namespaces/ns/events"
        notes = [e for _, e in cluster.server.collection(events) if e["reason"] == "StatusRefused"]
        assert len(notes) == 1
        assert message in notes[0]["message"]
        metrics = cluster.operator.metrics.text().decode()
        assert f'isheep_status_refused_total{{status="{code}"}}' in metrics
        # When the API server accepts the status, the run goes on.
        cluster.server.fault = lambda method, path: None
        await cluster.operator.run_due_passes(600)
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_run_that_rests_is_not_in_memory_and_is_read_again_when_it_has_a_job() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.run_pod(job)
        await cluster.operator.run_due_passes()
        path = f"{RUNS}/run"
        metadata = {k: cluster.job(job)["metadata"][k] for k in ("name", "labels", "annotations")}
        left = {**cluster.job(job), "metadata": {**metadata, "namespace": "ns"}}
        spec = cluster.server.objects[path]["spec"]
        cluster.server.change(path, spec={**spec, "suspend": True})
        await cluster.operator.run_due_passes()
        cluster.collect_garbage()
        await cluster.operator.run_due_passes(10)
        (record,) = cluster.operator.cache.runs
        assert (record.phase, record.spec, record.status) == ("Suspended", b"", b"")
        # An operator that starts reads the run only if one of its Jobs is left.
        plans = cluster.start_operator().plan_count
        await cluster.operator.run_due_passes(10)
        assert cluster.operator.plan_count == plans
        cluster.checks_created_jobs = False
        deleted = cluster.server.count("DELETE", f"{JOBS}/")
        cluster.server.put(JOBS, left)
        await cluster.operator.run_due_passes(1)
        assert cluster.server.count("DELETE", f"{JOBS}/") == deleted + 1
        cluster.collect_garbage()
        cluster.server.change(path, spec=spec)
        await cluster.run_to_end()

    assert run_scenario(scenario).status().phase == "Succeeded"
