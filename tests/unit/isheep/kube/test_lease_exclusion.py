"""Mutual exclusion: only one of two operators can write at any time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.kube.client import ApiUnreachableError
from isheep.kube.lease import MARGIN_SECONDS

from .fake_api_server import FakeApiServer, fail_at_random
from .lease_scenarios import acquire, make_lease, run_scenario
from .virtual_time import monotonic, run_in_virtual_time


def write_intervals(
    seed: int, *, seconds: int, share: float, slow: float, steps: int
) -> list[tuple[float, float, str]]:
    """Run two operators with random waits, faults and restarts.

    Returns:
        For each possible write its start, its latest end and the identity of the operator.
    """
    chance = random.Random(seed)
    found: list[tuple[float, float, str]] = []

    async def operator(server: FakeApiServer, identity: str) -> None:
        lease = make_lease(server, identity, seconds=seconds, skew=chance.uniform(-25, 25))
        for _ in range(steps):
            try:
                wait = await asyncio.wait_for(lease.ensure(), 10 * MARGIN_SECONDS)
            except ApiUnreachableError:
                wait = chance.uniform(0, 3)
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            # A write begins at once and ends within the margin.
            found.append((monotonic(), monotonic() + MARGIN_SECONDS, identity))
            await asyncio.sleep(chance.choice([0, 1, 5, 20, 40, 70]))
            if chance.random() < 0.1:
                # The operator restarts as another pod after the end of its last write.
                await asyncio.sleep(MARGIN_SECONDS)
                lease = make_lease(server, identity + "'", seconds=seconds)
                identity += "'"

    async def run() -> None:
        server = FakeApiServer()
        server.fault = fail_at_random(seed, share)
        server.latency = lambda: chance.choice([0, 0, 0.1, slow])
        await asyncio.gather(operator(server, "a"), operator(server, "b"))

    run_in_virtual_time(run())
    return found


def overlaps(found: list[tuple[float, float, str]]) -> list[Any]:
    """Return the pairs of writes of different operators that can overlap."""
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
def test_two_operators_never_hold_the_lease_at_once(seed: int, seconds: int, share: float) -> None:
    found = write_intervals(seed, seconds=seconds, share=share, slow=1.0, steps=25)
    assert overlaps(found) == []
    assert found or share == 0.5


@pytest.mark.parametrize("seconds", [22, 30])
def test_two_operators_never_hold_the_lease_at_once_if_a_response_is_slow(seconds: int) -> None:
    """The creation of the Lease takes effect at once, and the response comes 9 seconds later."""

    async def scenario(server: FakeApiServer) -> None:
        lease, other = (
            make_lease(server, "a", seconds=seconds),
            make_lease(server, "b", seconds=seconds),
        )
        waits = iter([0.0, 0.0, 9.0])
        server.latency = lambda: next(waits, 0.0)
        creating = asyncio.create_task(lease.ensure())
        await asyncio.sleep(0.001)
        taking = asyncio.create_task(acquire(other))
        await creating
        # The last moment at which the operator can begin a write without a request.
        last = monotonic()
        requests = len(server.requests)
        while lease._valid_until - monotonic() > max(MARGIN_SECONDS, seconds / 2):
            last = monotonic()
            await asyncio.sleep(0.25)
        assert len(server.requests) >= requests
        assert last + MARGIN_SECONDS <= await taking

    run_scenario(scenario)
