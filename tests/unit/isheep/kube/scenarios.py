"""Faults and steps that the scenarios of the reconciler share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache

from isheep.kube.client import ApiError

from ..planner.simulation import PlannerSimulation, make_run, outcome, spec_with
from .fake_api_server import FaultFunction
from .fake_cluster import FakeCluster


@cache
def undisturbed_run(iterations: int = 1) -> PlannerSimulation:
    """Return the simulation of a run that has ended without disturbances."""
    simulation = PlannerSimulation(make_run(spec_with(iterations=iterations)))
    simulation.run_to_end()
    return simulation


def check_final_state(cluster: FakeCluster) -> None:
    """Check that a run has ended as an undisturbed run ends, and that its Jobs are deleted."""
    assert outcome(cluster.status()) == outcome(undisturbed_run().run.status)
    assert cluster.simulation.committed == undisturbed_run().committed
    assert cluster.jobs(active=False) == []


def at_request(method: str, word: str, act: Callable[[], None], *, times: int = 1) -> FaultFunction:
    """Return a fault function that acts at the first requests of a kind, before their effect.

    Args:
        method: The HTTP method of these requests.
        word: A part of the path of these requests.
        act: The function to call, for example a function of `reject_with`.
        times: The number of requests.
    """
    left = times

    def fault(actual: str, path: str) -> None:
        nonlocal left
        if actual == method and word in path and left:
            left -= 1
            act()

    return fault


def reject_with(status: int, message: str = "no", *causes: str) -> Callable[[], None]:
    """Return a function that rejects a request with this HTTP status."""

    def act() -> None:
        raise ApiError(status, "", message, causes)

    return act


async def run_first_job(cluster: FakeCluster) -> str:
    """Create a run and make the pod of its first Job run; return the path of the Job."""
    cluster.create_run()
    await cluster.operator.run_due_passes()
    (job,) = cluster.jobs()
    cluster.run_pod(job)
    await cluster.operator.run_due_passes()
    return job


async def run_until_respond(cluster: FakeCluster) -> str:
    """Create a run and complete its Jobs up to respond, which reports items; return its Job."""
    cluster.create_run()
    for _ in range(50):
        await cluster.operator.run_due_passes()
        cluster.collect_garbage()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        if cluster.order(job).steps[0].kind == "respond":
            return job
        cluster.complete(job)
        await asyncio.sleep(1)
    raise AssertionError("respond did not start within 50 Jobs")
