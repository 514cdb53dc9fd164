"""The Lease: a pass writes only while the operator holds the Lease."""

from __future__ import annotations

import asyncio

import pytest

from isheep.kube.client import TIMEOUT_SECONDS
from isheep.kube.lease import MARGIN_SECONDS

from ..fake_api_server import FakeApiServer
from ..fake_cluster import FakeCluster, run_scenario
from ..scenarios import at_request, check_final_state, reject_with
from ..virtual_time import monotonic


def test_an_operator_without_the_lease_writes_nothing() -> None:
    def writes(server: FakeApiServer) -> int:
        return sum(1 for m, p in server.requests if m != "GET" and "leases" not in p)

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        before = writes(cluster.server)
        # The holder has ended, and its Lease has not expired yet.
        cluster.start_operator("another")
        cluster.complete(job)
        await cluster.operator.run_due_passes(29)
        assert (writes(cluster.server), cluster.operator.passes.total() > 0) == (before, True)
        await cluster.operator.run_due_passes(5)
        assert writes(cluster.server) > before
        assert cluster.operator.failures == []
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


@pytest.mark.parametrize("released", [True, False], ids=["released", "expired"])
def test_an_operator_with_a_silent_watch_lists_before_it_writes_with_a_new_lease(
    released: bool,
) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        first = cluster.operator
        await first.run_due_passes()
        (job,) = cluster.jobs()
        cluster.complete(job)
        # The second operator sees nothing of what the first one does after this.
        second = cluster.start_operator("another")
        second.drops_events = True
        cluster.server.watchers.append(first.receive_event)
        await first.run_due_passes()
        (job,) = cluster.jobs()
        cluster.run_pod(job)
        await first.run_due_passes()
        created = cluster.server.count("POST", "/jobs")
        cluster.server.watchers.remove(first.receive_event)
        if released:
            await first.lease.release()
        await second.run_due_passes(60)
        assert second.renewals == 1
        # It knows the Job, and has created no other one.
        assert (cluster.jobs(), cluster.server.count("POST", "/jobs")) == ([job], created)
        assert second.failures == []
        second.drops_events = False
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_each_write_ends_before_the_lease_expires() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        cluster.complete(cluster.jobs()[0])
        # The API server needs 9 seconds for each request; TIMEOUT_SECONDS is 10.
        cluster.server.latency = lambda: 4.5
        lease = cluster.operator.reconciler._actions._lease
        valid_for: list[float] = []

        def note(method: str, path: str) -> None:
            if method != "GET" and "leases" not in path:
                valid_for.append(lease._valid_until - monotonic())

        await asyncio.sleep(100)
        cluster.server.fault = note
        await cluster.operator.run_due_passes()
        assert valid_for
        assert min(valid_for) >= MARGIN_SECONDS - 4.5

    run_scenario(scenario)


@pytest.mark.parametrize(
    ("method", "end"),
    [("POST", "/jobs"), ("PATCH", "/status"), ("DELETE", "")],
    ids=["create", "status", "delete"],
)
def test_an_operator_that_is_paused_before_a_write_sends_it_with_a_valid_lease_only(
    method: str, end: str
) -> None:
    """The Lease was valid, and has expired when the stopped process goes on."""

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        lease = cluster.operator.reconciler._actions._lease
        paused: list[str] = []
        valid_for: list[float] = []

        def pause(actual: str, path: str) -> float:
            if paused or actual != method or not path.endswith(end):
                return 0.0
            paused.append(path)
            return 25.0

        def note(actual: str, path: str) -> None:
            if actual != "GET" and "leases" not in path and "events" not in path:
                valid_for.append(lease._valid_until - monotonic())

        cluster.server.pause, cluster.server.fault = pause, note
        await cluster.run_to_end()
        assert len(paused) == 1
        assert min(valid_for) >= TIMEOUT_SECONDS
        assert cluster.operator.failures == []

    check_final_state(run_scenario(scenario))


@pytest.mark.parametrize("status", [403, 422])
def test_a_rejected_lease_does_not_count_as_a_rejected_job(status: int) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        cluster.server.fault = at_request(
            "POST", "leases", reject_with(status, "no leases"), times=3
        )
        await cluster.operator.run_due_passes()
        assert [str(error) for error in cluster.operator.failures] == ["no leases"]
        assert cluster.operator.reconciler._memories[cluster.uid()].rejections.due() == []
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))
