"""Helpers of the tests of the Lease: Leases of operators, and scenarios in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from isheep.kube.lease import Lease

from .fake_api_server import FakeApiServer
from .virtual_time import START, monotonic, run_in_virtual_time

PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases/isheep-operator"
SECONDS = 30


def make_lease(
    server: FakeApiServer, identity: str, *, seconds: int = SECONDS, skew: float = 0
) -> Lease:
    """Return the Lease of an operator whose wall clock is wrong by `skew` seconds."""
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
    """Return the spec of the Lease."""
    found: dict[str, Any] = server.objects[PATH]["spec"]
    return found


def run_scenario(scenario: Callable[[FakeApiServer], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario in virtual time with a new API server."""
    run_in_virtual_time(scenario(FakeApiServer()))


async def acquire(lease: Lease) -> float:
    """Try to take the Lease until it is held, and return that time."""
    while True:
        wait = await lease.ensure()
        if wait <= 0:
            return monotonic()
        await asyncio.sleep(wait)
