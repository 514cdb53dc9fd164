"""The fence: an operator that takes the Lease from another one lists again before it writes."""

from __future__ import annotations

import asyncio

import pytest

from isheep.kube.client import ApiUnreachableError
from isheep.kube.lease import LeaseHeldError
from isheep.kube.passes.fence import Fence, OutdatedPassError

from ..fake_api_server import FakeApiServer, Fault
from ..lease_scenarios import PATH, SECONDS, acquire, make_lease, run_scenario
from ..scenarios import at_request
from ..virtual_time import monotonic


class Lists:
    """A source of LISTs, which counts them."""

    def __init__(self) -> None:
        self.began, self.count, self.fails = float("-inf"), 0, False

    def list(self) -> None:
        self.began = monotonic()
        self.count += 1

    async def renew(self, since: float) -> int:
        if self.fails:
            raise ApiUnreachableError("no LIST")
        if self.began >= since:
            return 0
        self.list()
        await asyncio.sleep(0.1)
        return 1


async def free(server: FakeApiServer, identity: str) -> None:
    """Let an operator take the Lease and release it."""
    lease = make_lease(server, identity)
    await acquire(lease)
    await lease.release()


@pytest.mark.parametrize("before", ["no Lease", "a free Lease", "its own Lease"])
def test_an_operator_that_has_just_listed_does_not_list_again(before: str) -> None:
    async def scenario(server: FakeApiServer) -> None:
        if before == "a free Lease":
            await free(server, "other")
        if before == "its own Lease":
            await acquire(make_lease(server, "a"))
        await asyncio.sleep(1)
        lists, lease = Lists(), make_lease(server, "a")
        reads = server.count("GET", PATH)
        await lease.look()
        lists.list()
        await asyncio.sleep(1)
        fence = Fence(lease, lists.renew)
        for _ in range(20):
            await fence.enter(0)
            await asyncio.sleep(SECONDS)
        assert lists.count == 1
        # The operator reads the Lease once, as it did before its first write.
        assert server.count("GET", PATH) == reads + 1

    run_scenario(scenario)


@pytest.mark.parametrize("released", [True, False], ids=["released", "expired"])
def test_an_operator_lists_after_another_one_could_write(released: bool) -> None:
    async def scenario(server: FakeApiServer) -> None:
        other = make_lease(server, "other")
        await acquire(other)
        lists, lease = Lists(), make_lease(server, "a")
        await lease.look()
        lists.list()
        if released:
            await other.release()
        fence = Fence(lease, lists.renew)
        while True:
            try:
                await fence.enter(0)
            except OutdatedPassError:
                break
            except LeaseHeldError as held:
                await asyncio.sleep(held.seconds)
        assert lists.count == 2
        assert monotonic() < SECONDS + 3
        await fence.enter(fence.epoch)
        with pytest.raises(OutdatedPassError):
            # A pass that planned before the LIST.
            await fence.enter(0)
        assert lists.count == 2

    run_scenario(scenario)


def test_passes_that_wait_for_one_list_all_plan_again() -> None:
    async def scenario(server: FakeApiServer) -> None:
        await free(server, "other")
        await asyncio.sleep(1)
        lists = Lists()
        lists.list()
        await asyncio.sleep(1)
        fence = Fence(make_lease(server, "a"), lists.renew)
        found = await asyncio.gather(*(fence.enter(0) for _ in range(4)), return_exceptions=True)
        assert [type(one) for one in found] == [OutdatedPassError] * 4
        assert (lists.count, fence.epoch) == (2, 1)

    run_scenario(scenario)


def test_no_pass_writes_until_the_list_succeeds() -> None:
    async def scenario(server: FakeApiServer) -> None:
        await free(server, "other")
        await asyncio.sleep(1)
        lists = Lists()
        lists.fails = True
        fence = Fence(make_lease(server, "a"), lists.renew)
        for _ in range(2):
            with pytest.raises(ApiUnreachableError):
                await fence.enter(0)
        lists.fails = False
        with pytest.raises(OutdatedPassError):
            await fence.enter(0)
        await fence.enter(1)

    run_scenario(scenario)


def test_an_operator_lists_although_the_answer_to_its_takeover_was_lost() -> None:
    def lose() -> None:
        raise Fault(after=True)

    async def scenario(server: FakeApiServer) -> None:
        await acquire(make_lease(server, "other"))
        await asyncio.sleep(1)
        lists, lease = Lists(), make_lease(server, "a")
        lists.list()
        assert await lease.ensure() > 0
        await asyncio.sleep(SECONDS + 2)
        server.fault = at_request("PUT", PATH, lose)
        fence = Fence(lease, lists.renew)
        with pytest.raises(ApiUnreachableError):
            await fence.enter(0)
        # The Lease is its own now.
        with pytest.raises(LeaseHeldError):
            await fence.enter(0)
        with pytest.raises(OutdatedPassError):
            await fence.enter(0)
        assert lists.count == 2

    run_scenario(scenario)
