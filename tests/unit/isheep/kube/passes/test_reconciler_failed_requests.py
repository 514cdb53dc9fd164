"""Failed requests, lost events and restarts: they do not change the final state of a run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..fake_api_server import Fault, fail_at_random, fail_each_twice, fail_every
from ..fake_cluster import FakeCluster, run_scenario
from ..scenarios import check_final_state

FAULTS = {
    "each request twice": fail_each_twice,
    "each third request after its effect": lambda: fail_every(3, after=True),
    "each third request before its effect": lambda: fail_every(3, after=False),
    "each seventh request after its effect": lambda: fail_every(7, after=True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_failed_requests_do_not_change_the_final_state(name: str) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        cluster.server.fault = FAULTS[name]()
        await cluster.run_to_end()
        assert cluster.operator.failures

    check_final_state(run_scenario(scenario))


REQUESTS = 92
"""An upper limit of the number of requests of an undisturbed run."""


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "restarts", [False, True], ids=["the pass is retried", "the operator restarts"]
)
@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
def test_one_failed_request_does_not_change_the_final_state(
    after: bool, restarts: bool, every: int
) -> None:
    """Each eighth request fails, each in another run; the four cases have different requests."""
    for number in range(1 + (5 * after + 2 * restarts) % every, REQUESTS, every):
        count = 0

        def fault(method: str, path: str, number: int = number) -> None:
            nonlocal count
            count += 1
            if count == number:
                raise Fault(after=after)

        async def scenario(cluster: FakeCluster, fault: Any = fault) -> None:
            cluster.create_run()
            cluster.server.fault = fault
            await cluster.run_to_end()

        async def scenario_with_restart(cluster: FakeCluster, fault: Any = fault) -> None:
            cluster.create_run()
            cluster.server.fault = fault
            operator = cluster.operator
            while not operator.failures and not cluster.is_over():
                await operator.run_due_passes()
                for path in [] if operator.failures else cluster.jobs():
                    cluster.complete(path)
                cluster.collect_garbage()
                await asyncio.sleep(1)
            cluster.start_operator("another")
            await cluster.run_to_end()

        cluster = run_scenario(scenario_with_restart if restarts else scenario)
        check_final_state(cluster)


def test_an_undisturbed_run_does_not_exceed_the_number_of_requests() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.run_to_end()

    assert len(run_scenario(scenario).server.requests) <= REQUESTS


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.1, 0.3, 0.6]))
def test_randomly_failed_requests_do_not_change_the_final_state(seed: int, share: float) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        cluster.server.fault = fail_at_random(seed, share)
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_list_replaces_lost_events(seed: int) -> None:
    """The watch receives no events for a while, as in an outage."""

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        chance = fail_at_random(seed, 0.5)
        for _ in range(200):
            try:
                chance("", "")
                cluster.operator.drops_events = False
            except Fault:
                cluster.operator.drops_events = True
            await cluster.operator.run_due_passes()
            cluster.collect_garbage()
            await cluster.operator.run_due_passes()
            for path in cluster.jobs():
                cluster.complete(path)
            await asyncio.sleep(20)
            cluster.operator.receive_list()
            if cluster.is_over():
                break
        cluster.operator.drops_events = False
        cluster.operator.receive_list()
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))
