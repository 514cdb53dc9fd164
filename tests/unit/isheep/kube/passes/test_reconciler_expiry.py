"""Expiry of runs on a cluster: the deletion, its preconditions, and what prevents it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ...planner.simulation import spec_with
from ..fake_api_server import Json
from ..fake_cluster import RUNS, FakeCluster, run_scenario
from ..scenarios import at_request, reject_with

PATH = f"{RUNS}/run"
TTL = 3600
ENABLED = {"enabled": True}


async def end_run(cluster: FakeCluster, **metadata: Any) -> None:
    spec = spec_with(iterations=1, ttlSecondsAfterFinished=TTL)
    cluster.create_run(spec=spec, **metadata)
    await cluster.run_to_end()


def deletions(cluster: FakeCluster) -> int:
    return cluster.server.count("DELETE", "/selfalignmentruns/")


def run_document(cluster: FakeCluster) -> Json:
    return cluster.server.objects[PATH]


def events(cluster: FakeCluster, reason: str) -> list[str]:
    return [
        o["message"]
        for o in cluster.server.objects.values()
        if o.get("kind") == "Event" and o["reason"] == reason
    ]


def test_a_run_is_deleted_after_its_time_and_without_work_before() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await end_run(cluster)
        plans = cluster.operator.plan_count
        await cluster.operator.run_due_passes(TTL - 500)
        assert deletions(cluster) == 0
        assert cluster.operator.plan_count == plans
        await cluster.operator.run_due_passes(600)
        assert deletions(cluster) == 1
        assert "deletionTimestamp" in run_document(cluster)["metadata"]
        cluster.server.remove(PATH)
        await cluster.operator.run_due_passes(TTL)
        assert deletions(cluster) == 1

    run_scenario(scenario, ttl=ENABLED)


def test_an_operator_that_starts_later_deletes_the_run() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await end_run(cluster)
        await asyncio.sleep(TTL * 2)
        cluster.start_operator()
        await cluster.operator.run_due_passes()
        assert deletions(cluster) == 1

    run_scenario(scenario, ttl=ENABLED)


def test_a_run_that_changes_at_the_same_moment_is_not_deleted() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await end_run(cluster)
        spec = run_document(cluster)["spec"]

        def edit() -> None:
            cluster.server.change(PATH, spec={**spec, "suspend": True})

        cluster.server.fault = at_request("DELETE", "/selfalignmentruns/", edit)
        await cluster.operator.run_due_passes(TTL + 100)
        assert deletions(cluster) == 1
        assert "deletionTimestamp" not in run_document(cluster)["metadata"]

    run_scenario(scenario, ttl=ENABLED)


def test_a_deletion_without_an_answer_is_repeated() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await end_run(cluster)
        cluster.server.fault = at_request("DELETE", "/selfalignmentruns/", reject_with(500))
        await cluster.operator.run_due_passes(TTL + 100)
        assert deletions(cluster) == 2
        assert "deletionTimestamp" in run_document(cluster)["metadata"]

    run_scenario(scenario, ttl=ENABLED)


@pytest.mark.parametrize(
    ("config", "metadata", "reason"),
    [
        ({}, {}, "TtlDisabled"),
        ({"ttl": ENABLED}, {"labels": {"kustomize.toolkit.fluxcd.io/name": "a"}}, "TtlTracked"),
        (
            {"ttl": ENABLED},
            {"annotations": {"argocd.argoproj.io/tracking-id": "a:b/c:d/e"}},
            "TtlTracked",
        ),
    ],
)
def test_what_prevents_a_deletion_is_said_once(
    config: dict[str, Any], metadata: dict[str, Any], reason: str
) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await end_run(cluster, **metadata)
        for _ in range(3):
            await cluster.operator.run_due_passes(TTL)
        cluster.start_operator()
        await cluster.operator.run_due_passes(TTL)
        assert deletions(cluster) == 0
        assert len(events(cluster, reason)) == 1
        (found,) = [c for c in cluster.status().conditions if c.type == "Expiring"]
        assert (found.status, found.reason) == ("False", reason)

    run_scenario(scenario, **config)


def test_a_run_that_a_tool_no_longer_tracks_is_deleted() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await end_run(cluster, labels={"argocd.argoproj.io/instance": "app"})
        await cluster.operator.run_due_passes(TTL * 2)
        assert deletions(cluster) == 0
        cluster.server.change(PATH, metadata={"labels": {}})
        await cluster.operator.run_due_passes(10)
        assert deletions(cluster) == 1

    run_scenario(scenario, ttl=ENABLED)


def test_a_forbidden_deletion_is_said_once_and_tried_rarely() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await end_run(cluster)
        refuse = reject_with(403, "forbidden")
        cluster.server.fault = at_request("DELETE", "/selfalignmentruns/", refuse, times=100)
        await cluster.operator.run_due_passes(TTL * 3)
        assert deletions(cluster) < 8
        (message,) = events(cluster, "RunNotDeleted")
        assert "ttl.enabled" in message

    run_scenario(scenario, ttl=ENABLED)
