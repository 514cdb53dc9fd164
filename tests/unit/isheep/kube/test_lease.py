"""The Lease: when an operator takes, renews, loses and releases it."""

from __future__ import annotations

import asyncio

import pytest

from isheep.kube.client import TIMEOUT_SECONDS, ApiError, ApiUnreachableError
from isheep.kube.lease import MARGIN_SECONDS, READ_SECONDS, LeaseHeldError

from .fake_api_server import FakeApiServer, fail_every
from .lease_scenarios import PATH, SECONDS, acquire, make_lease, run_scenario, spec


def test_the_first_operator_creates_the_lease() -> None:
    async def scenario(server: FakeApiServer) -> None:
        assert await make_lease(server, "a").ensure() == 0
        assert spec(server) == {
            "holderIdentity": "a",
            "leaseDurationSeconds": 30,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
            "renewTime": "2026-01-01T00:00:00.000000Z",
            "leaseTransitions": 0,
        }

    run_scenario(scenario)


def test_a_lease_without_a_holder_is_taken() -> None:
    """The chart creates a Lease without a spec."""

    async def scenario(server: FakeApiServer) -> None:
        folder, _, name = PATH.rpartition("/")
        server.put(folder, {"metadata": {"name": name, "namespace": "system"}})
        assert await make_lease(server, "a").ensure() == 0
        assert spec(server)["holderIdentity"] == "a"

    run_scenario(scenario)


def test_the_lease_is_renewed_only_for_a_write() -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        await lease.ensure()
        writes = server.count("PUT")
        await asyncio.sleep(14)
        assert await lease.ensure() == 0
        assert (server.count("PUT"), server.count("GET")) == (writes, 1)
        await asyncio.sleep(2)
        assert await lease.ensure() == 0
        assert server.count("PUT") == writes + 1
        assert spec(server)["renewTime"] == "2026-01-01T00:00:16.000000Z"
        assert spec(server)["acquireTime"] == "2026-01-01T00:00:00.000000Z"
        assert spec(server)["leaseTransitions"] == 0
        await asyncio.sleep(100)
        assert server.count("PUT") == writes + 1
        # No other operator has taken the Lease meanwhile, so the holder keeps it.
        assert await lease.ensure() == 0

    run_scenario(scenario)


def test_an_idle_operator_lets_its_lease_expire() -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        assert not lease.is_held
        await lease.ensure()
        assert lease.is_held
        await asyncio.sleep(SECONDS)
        assert not lease.is_held
        await lease.ensure()
        await lease.release()
        assert not lease.is_held

    run_scenario(scenario)


def test_another_operator_takes_a_lease_that_was_unchanged_for_its_duration() -> None:
    async def scenario(server: FakeApiServer) -> None:
        await make_lease(server, "a").ensure()
        await asyncio.sleep(10)
        other = make_lease(server, "b")
        # The other operator measures the duration by its own clock, from its first read.
        assert await other.ensure() == SECONDS
        await asyncio.sleep(20)
        assert await other.ensure() == 10
        await asyncio.sleep(9.5)
        assert await other.ensure() == pytest.approx(0.5)
        await asyncio.sleep(0.5)
        assert await other.ensure() == 0
        assert (spec(server)["holderIdentity"], spec(server)["leaseTransitions"]) == ("b", 1)
        assert spec(server)["acquireTime"] == "2026-01-01T00:00:40.000000Z"

    run_scenario(scenario)


def test_a_renewal_restarts_the_wait_of_another_operator() -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease, other = make_lease(server, "a"), make_lease(server, "b")
        await lease.ensure()
        for _ in range(5):
            assert await other.ensure() > 0
            await asyncio.sleep(20)
            assert await lease.ensure() == 0
        assert await other.ensure() == SECONDS

    run_scenario(scenario)


def test_a_lease_that_expired_long_ago_is_taken_at_once() -> None:
    async def scenario(server: FakeApiServer) -> None:
        await make_lease(server, "a").ensure()
        await asyncio.sleep(SECONDS + 60)
        assert await make_lease(server, "b").ensure() > 0
        await asyncio.sleep(1)
        assert await make_lease(server, "c").ensure() == 0

    run_scenario(scenario)


@pytest.mark.parametrize("skew", [-50, 50])
def test_a_wrong_clock_does_not_change_the_wait(skew: float) -> None:
    async def scenario(server: FakeApiServer) -> None:
        await make_lease(server, "a").ensure()
        other = make_lease(server, "b", skew=skew)
        await asyncio.sleep(5)
        assert await acquire(other) == 5 + SECONDS

    run_scenario(scenario)


def test_the_same_identity_takes_its_lease_at_once() -> None:
    """A pod keeps its name when its container is restarted."""

    async def scenario(server: FakeApiServer) -> None:
        await make_lease(server, "a").ensure()
        await asyncio.sleep(1)
        assert await make_lease(server, "a").ensure() == 0
        assert spec(server)["leaseTransitions"] == 0

    run_scenario(scenario)


def test_a_released_lease_is_taken_at_once() -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        await lease.ensure()
        other = make_lease(server, "b")
        assert await other.ensure() > 0
        await lease.release()
        assert spec(server)["holderIdentity"] == ""
        await asyncio.sleep(READ_SECONDS)
        assert await other.ensure() == 0
        # The operator that released the Lease waits like any other.
        assert await lease.ensure() > 0

    run_scenario(scenario)


@pytest.mark.parametrize("was_held", [False, True], ids=["never held", "expired"])
def test_a_lease_that_is_not_held_is_not_released(was_held: bool) -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        if was_held:
            await lease.ensure()
            await asyncio.sleep(SECONDS + 1)
        await make_lease(server, "b").release()
        requests = len(server.requests)
        await lease.release()
        assert len(server.requests) == requests

    run_scenario(scenario)


def test_a_conflict_shows_that_another_operator_took_the_lease() -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease, other = make_lease(server, "a"), make_lease(server, "b")
        await lease.ensure()
        await acquire(other)
        assert await lease.ensure() == 0.5
        assert await lease.ensure() == SECONDS
        assert spec(server)["holderIdentity"] == "b"

    run_scenario(scenario)


@pytest.mark.parametrize("seconds", [20, 100], ids=["before it expires", "after it expires"])
def test_a_deleted_lease_is_created_again(seconds: int) -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        await lease.ensure()
        server.remove(PATH)
        await asyncio.sleep(seconds)
        assert await lease.ensure() == 0.5
        assert await lease.ensure() == 0
        assert spec(server)["holderIdentity"] == "a"

    run_scenario(scenario)


def test_only_one_of_two_simultaneous_operators_creates_the_lease() -> None:
    async def scenario(server: FakeApiServer) -> None:
        waits = await asyncio.gather(*(make_lease(server, i).ensure() for i in "ab"))
        assert sorted(waits) == [0, 0.5]

    run_scenario(scenario)


def test_many_passes_of_one_operator_make_one_request() -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        assert await asyncio.gather(*(lease.ensure() for _ in range(16))) == [0] * 16
        assert server.count("POST") == 1

    run_scenario(scenario)


def test_many_passes_that_wait_for_the_lease_read_it_once_a_second() -> None:
    async def scenario(server: FakeApiServer) -> None:
        await make_lease(server, "a").ensure()
        other = make_lease(server, "b")
        for number in range(30):
            assert await other.ensure() == pytest.approx(SECONDS - number / 10)
            await asyncio.sleep(0.1)
        # One read of "a" before it created the Lease, and one of "b" each second.
        assert server.count("GET") == 1 + 3

    run_scenario(scenario)


@pytest.mark.parametrize(("paused", "may_write"), [(SECONDS - TIMEOUT_SECONDS, True), (21, False)])
def test_a_write_is_not_sent_after_a_pause_that_the_lease_does_not_outlast(
    paused: float, *, may_write: bool
) -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        assert await lease.ensure() == 0
        await asyncio.sleep(paused)
        if may_write:
            lease.check()
        else:
            with pytest.raises(LeaseHeldError):
                lease.check()

    run_scenario(scenario)


def test_an_operator_that_never_held_the_lease_sends_no_write() -> None:
    async def scenario(server: FakeApiServer) -> None:
        with pytest.raises(LeaseHeldError):
            make_lease(server, "a").check()

    run_scenario(scenario)


@pytest.mark.parametrize("status", [403, 422])
def test_a_rejected_write_of_the_lease_is_raised(status: int) -> None:
    async def scenario(server: FakeApiServer) -> None:
        def reject(method: str, path: str) -> None:
            raise ApiError(status, "", "no", ())

        server.fault = reject
        with pytest.raises(ApiError):
            await make_lease(server, "a").ensure()

    run_scenario(scenario)


@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_failed_request_is_retried(number: int, after: bool) -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        server.fault = fail_every(number, after=after)
        with pytest.raises(ApiUnreachableError):
            await lease.ensure()
        server.fault = fail_every(10**6, after=False)
        assert await acquire(lease) <= 0.5
        assert spec(server)["holderIdentity"] == "a"

    run_scenario(scenario)


def test_the_duration_is_longer_than_two_writes() -> None:
    async def scenario(server: FakeApiServer) -> None:
        await make_lease(server, "a", seconds=5).ensure()
        assert spec(server)["leaseDurationSeconds"] >= 2 * MARGIN_SECONDS

    run_scenario(scenario)


@pytest.mark.parametrize("kept", ["nobody", "a"])
def test_a_request_that_was_cancelled_may_have_taken_the_lease(kept: str) -> None:
    """The operator stops while its request for the Lease is on its way."""

    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        if kept == "a":
            await lease.ensure()
            await asyncio.sleep(SECONDS + 1)
        server.latency = lambda: 1.0
        taking = asyncio.create_task(lease.ensure())
        # The request has had its effect, and its answer has not arrived.
        await asyncio.sleep(1.5 if kept == "a" else 3.5)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        assert spec(server)["holderIdentity"] == "a"
        await lease.release()
        assert spec(server)["holderIdentity"] == ""
        assert await make_lease(server, "b").ensure() == 0

    run_scenario(scenario)


def test_a_lease_that_another_operator_took_meanwhile_is_not_released() -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        await lease.ensure()
        found = server.objects[PATH]
        server.change(PATH, spec={**found["spec"], "holderIdentity": "b"})
        await lease.release()
        assert spec(server)["holderIdentity"] == "b"

    run_scenario(scenario)


def test_a_lease_whose_labels_somebody_changed_is_released() -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        await lease.ensure()
        server.change(PATH, metadata={"labels": {"team": "ml"}})
        await lease.release()
        assert spec(server)["holderIdentity"] == ""
        assert server.objects[PATH]["metadata"]["labels"] == {"team": "ml"}

    run_scenario(scenario)


def test_the_uid_of_the_lease_identifies_the_installation() -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease, other = make_lease(server, "a"), make_lease(server, "b")
        assert lease.uid is None
        await lease.ensure()
        await acquire(other)
        assert lease.uid == other.uid == server.objects[PATH]["metadata"]["uid"]

    run_scenario(scenario)
