"""The Lease: whatever happens, of two operators one writes at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.kube.client import ApiError, ApiUnreachableError
from isheep.kube.lease import MARGIN_SECONDS, Lease

from .fake_api_server import FakeApiServer, fail_at_random, fail_every
from .virtual_time import START, monotonic, run_in_virtual_time

PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases/isheep-operator"
SECONDS = 30


def candidate(server: FakeApiServer, identity: str, *, seconds: int = SECONDS, skew: float = 0) -> Lease:
    """Return a candidate whose clock of the wall is wrong by `skew` seconds."""
    return Lease(
        server,  # type: ignore[arg-type]
        namespace="system",
        name="isheep-operator",
        identity=identity,
        seconds=seconds,
        monotonic=monotonic,
        now=lambda: START + timedelta(seconds=monotonic() + skew),
    )


def spec(server: FakeApiServer) -> dict[str, Any]:
    found: dict[str, Any] = server.objects[PATH]["spec"]
    return found


def played(play: Callable[[FakeApiServer], Awaitable[None]]) -> FakeApiServer:
    server = FakeApiServer()
    run_in_virtual_time(_of(play, server))
    return server


async def _of(play: Callable[[FakeApiServer], Awaitable[None]], server: FakeApiServer) -> None:
    await play(server)


async def held(lease: Lease) -> float:
    """Ask until it is held; returns when that was."""
    while True:
        wait = await lease.ensure()
        if wait <= 0:
            return monotonic()
        await asyncio.sleep(wait)


def test_the_first_one_makes_it() -> None:
    async def play(server: FakeApiServer) -> None:
        assert await candidate(server, "a").ensure() == 0
        assert spec(server) == {
            "holderIdentity": "a",
            "leaseDurationSeconds": 30,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
            "renewTime": "2026-01-01T00:00:00.000000Z",
            "leaseTransitions": 0,
        }

    played(play)


def test_one_that_nobody_has_held_yet_is_taken() -> None:
    """The chart makes it without a spec."""

    async def play(server: FakeApiServer) -> None:
        folder, _, name = PATH.rpartition("/")
        server.put(folder, {"metadata": {"name": name, "namespace": "system"}})
        assert await candidate(server, "a").ensure() == 0
        assert spec(server)["holderIdentity"] == "a"

    played(play)


def test_it_is_renewed_when_somebody_wants_to_write_and_no_sooner() -> None:
    async def play(server: FakeApiServer) -> None:
        lease = candidate(server, "a")
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
        # Nobody has taken it meanwhile, so it is still theirs.
        assert await lease.ensure() == 0

    played(play)


def test_another_takes_it_when_it_was_left_alone_for_its_whole_duration() -> None:
    async def play(server: FakeApiServer) -> None:
        await candidate(server, "a").ensure()
        await asyncio.sleep(10)
        other = candidate(server, "b")
        # By its own clock, which began now.
        assert await other.ensure() == SECONDS
        await asyncio.sleep(20)
        assert await other.ensure() == 10
        await asyncio.sleep(9.5)
        assert await other.ensure() == pytest.approx(0.5)
        await asyncio.sleep(0.5)
        assert await other.ensure() == 0
        assert (spec(server)["holderIdentity"], spec(server)["leaseTransitions"]) == ("b", 1)
        assert spec(server)["acquireTime"] == "2026-01-01T00:00:40.000000Z"

    played(play)


def test_a_renewal_begins_the_wait_anew() -> None:
    async def play(server: FakeApiServer) -> None:
        lease, other = candidate(server, "a"), candidate(server, "b")
        await lease.ensure()
        for _ in range(5):
            assert await other.ensure() > 0
            await asyncio.sleep(20)
            assert await lease.ensure() == 0
        assert await other.ensure() == SECONDS

    played(play)


def test_what_ran_out_long_ago_is_taken_at_once() -> None:
    async def play(server: FakeApiServer) -> None:
        await candidate(server, "a").ensure()
        await asyncio.sleep(SECONDS + 60)
        assert await candidate(server, "b").ensure() > 0
        await asyncio.sleep(1)
        assert await candidate(server, "c").ensure() == 0

    played(play)


@pytest.mark.parametrize("skew", [-50, 50])
def test_clocks_need_not_agree(skew: float) -> None:
    async def play(server: FakeApiServer) -> None:
        await candidate(server, "a").ensure()
        other = candidate(server, "b", skew=skew)
        await asyncio.sleep(5)
        assert await held(other) == 5 + SECONDS

    played(play)


def test_the_same_identity_takes_it_at_once() -> None:
    """A pod keeps its name when its container is restarted."""

    async def play(server: FakeApiServer) -> None:
        await candidate(server, "a").ensure()
        await asyncio.sleep(1)
        assert await candidate(server, "a").ensure() == 0
        assert spec(server)["leaseTransitions"] == 0

    played(play)


def test_who_goes_in_order_lets_the_next_one_in() -> None:
    async def play(server: FakeApiServer) -> None:
        lease = candidate(server, "a")
        await lease.ensure()
        other = candidate(server, "b")
        assert await other.ensure() > 0
        await lease.release()
        assert spec(server)["holderIdentity"] == ""
        assert await other.ensure() == 0
        # Who has released it asks again like anybody else.
        assert await lease.ensure() > 0

    played(play)


@pytest.mark.parametrize("begin", [False, True], ids=["never held", "lost"])
def test_what_one_does_not_hold_is_not_released(begin: bool) -> None:
    async def play(server: FakeApiServer) -> None:
        lease = candidate(server, "a")
        if begin:
            await lease.ensure()
            await asyncio.sleep(SECONDS + 1)
        await candidate(server, "b").release()
        requests = len(server.requests)
        await lease.release()
        assert len(server.requests) == requests

    played(play)


def test_who_lost_it_without_knowing_learns_it_from_the_conflict() -> None:
    async def play(server: FakeApiServer) -> None:
        lease, other = candidate(server, "a"), candidate(server, "b")
        await lease.ensure()
        await held(other)
        assert await lease.ensure() == 0.5
        assert await lease.ensure() == SECONDS
        assert spec(server)["holderIdentity"] == "b"

    played(play)


@pytest.mark.parametrize("when", ["at once", "after it ran out"])
def test_one_that_was_removed_is_made_again(when: str) -> None:
    async def play(server: FakeApiServer) -> None:
        lease = candidate(server, "a")
        await lease.ensure()
        server.remove(PATH)
        await asyncio.sleep(20 if when == "at once" else 100)
        assert await lease.ensure() == 0.5
        assert await lease.ensure() == 0
        assert spec(server)["holderIdentity"] == "a"

    played(play)


def test_two_that_make_it_at_once_are_one() -> None:
    async def play(server: FakeApiServer) -> None:
        waits = await asyncio.gather(*(candidate(server, i).ensure() for i in "ab"))
        assert sorted(waits) == [0, 0.5]

    played(play)


def test_many_passes_of_one_operator_ask_once() -> None:
    async def play(server: FakeApiServer) -> None:
        lease = candidate(server, "a")
        assert await asyncio.gather(*(lease.ensure() for _ in range(16))) == [0] * 16
        assert server.count("POST") == 1

    played(play)


@pytest.mark.parametrize("status", [403, 422])
def test_what_may_not_be_written_is_said(status: int) -> None:
    async def play(server: FakeApiServer) -> None:
        def refuse(method: str, path: str) -> None:
            raise ApiError(status, "", "no", ())

        server.fault = refuse
        with pytest.raises(ApiError):
            await candidate(server, "a").ensure()

    played(play)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_request_that_fails_may_be_made_again(number: int, after: bool) -> None:
    async def play(server: FakeApiServer) -> None:
        lease = candidate(server, "a")
        server.fault = fail_every(number, after=after)
        with pytest.raises(ApiUnreachableError):
            await lease.ensure()
        server.fault = fail_every(10**6, after=False)
        assert await held(lease) <= 0.5
        assert spec(server)["holderIdentity"] == "a"

    played(play)


def test_a_lease_is_longer_than_a_write() -> None:
    async def play(server: FakeApiServer) -> None:
        await candidate(server, "a", seconds=5).ensure()
        assert spec(server)["leaseDurationSeconds"] >= 2 * MARGIN_SECONDS

    played(play)


def rights(
    seed: int, *, seconds: int, share: float, slow: float, steps: int
) -> list[tuple[float, float, str]]:
    """Have two operators work as they like; returns when each of them might have written."""
    chance = random.Random(seed)
    found: list[tuple[float, float, str]] = []

    async def operator(server: FakeApiServer, identity: str) -> None:
        lease = candidate(server, identity, seconds=seconds, skew=chance.uniform(-25, 25))
        for _ in range(steps):
            try:
                wait = await asyncio.wait_for(lease.ensure(), 10 * MARGIN_SECONDS)
            except ApiUnreachableError:
                wait = chance.uniform(0, 3)
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            # A write begins at once, and is over within the margin.
            found.append((monotonic(), monotonic() + MARGIN_SECONDS, identity))
            await asyncio.sleep(chance.choice([0, 1, 5, 20, 40, 70]))
            if chance.random() < 0.1:
                # It dies, and comes back as another pod; what it wrote is over by then.
                await asyncio.sleep(MARGIN_SECONDS)
                lease = candidate(server, identity + "'", seconds=seconds)
                identity += "'"

    async def play() -> None:
        server = FakeApiServer()
        server.fault = fail_at_random(seed, share)
        server.latency = lambda: chance.choice([0, 0, 0.1, slow])
        await asyncio.gather(operator(server, "a"), operator(server, "b"))

    run_in_virtual_time(play())
    return found


def overlaps(found: list[tuple[float, float, str]]) -> list[Any]:
    return [
        (one, other)
        for one in found
        for other in found
        if one[2] != other[2] and one[0] <= other[0] < one[1]
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    seconds=st.sampled_from([22, 30, 60]),
    share=st.sampled_from([0.0, 0.2, 0.5]),
)
def test_two_never_hold_it_at_once(seed: int, seconds: int, share: float) -> None:
    found = rights(seed, seconds=seconds, share=share, slow=1.0, steps=25)
    assert overlaps(found) == []
    assert found or share == 0.5


@pytest.mark.parametrize("seconds", [22, 30])
def test_two_never_hold_it_at_once_though_the_answer_is_slow(seconds: int) -> None:
    """The request to create it takes effect at once, and is answered 9 seconds later."""

    async def play(server: FakeApiServer) -> None:
        lease, other = (
            candidate(server, "a", seconds=seconds),
            candidate(server, "b", seconds=seconds),
        )
        waits = iter([0.0, 0.0, 9.0])
        server.latency = lambda: next(waits, 0.0)
        making = asyncio.create_task(lease.ensure())
        await asyncio.sleep(0.001)
        taking = asyncio.create_task(held(other))
        await making
        # The last moment at which it may begin a write without asking.
        last = monotonic()
        requests = len(server.requests)
        while lease._valid_until - monotonic() > max(MARGIN_SECONDS, seconds / 2):
            last = monotonic()
            await asyncio.sleep(0.25)
        assert len(server.requests) >= requests
        assert last + MARGIN_SECONDS <= await taking

    played(play)
