"""The end of an operator process: its passes end first, and then it releases its Lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import patch

import pytest

from isheep.kube.client import jobs_path, runs_path
from isheep.kube.config import OperatorConfig
from isheep.kube.process import operator as operator_module
from isheep.kube.process.operator import DRAIN_SECONDS, Operator

from ...planner.simulation import spec_with
from ..fake_api_server import FakeApiServer
from ..fake_session import FakeSession
from ..lease_scenarios import PATH as LEASE
from ..virtual_time import now, run_in_virtual_time

CONFIG = OperatorConfig.read(
    {"workerImage": "image-1", "workers": 4, "httpPort": 0, "lease": {"namespace": "system"}}
)
RUNS, JOBS = runs_path("ns"), jobs_path("ns")


class Session(FakeSession):
    async def close(self) -> None:
        """Close nothing."""


class NoHttpServer:
    """Replaces the server of /healthz, /readyz and /metrics."""

    def __init__(self, *_: object) -> None:
        pass

    async def start(self) -> None:
        """Serve nothing."""

    async def stop(self) -> None:
        """Stop nothing."""


class ServerOfAllNamespaces(FakeApiServer):
    """The API server with the requests that only the whole operator sends."""

    async def pages(
        self, path: str, *, labels: str = "", fields: str = "", accept: str = ""
    ) -> Any:
        place = path.replace("/v1alpha1/", "/v1alpha1/namespaces/ns/").replace(
            "/batch/v1/", "/batch/v1/namespaces/ns/"
        )
        yield await self.list(place, labels=labels, fields=fields)

    async def close(self) -> None:
        """Close nothing."""


async def started(server: ServerOfAllNamespaces, name: str) -> Operator:
    """Start an operator without watches, and return it."""

    async def connect(_: object) -> ServerOfAllNamespaces:
        return server

    operator = Operator(CONFIG, {operator_module.NAME_VARIABLE: name})
    with (
        patch.object(operator_module.Api, "connect", connect),
        patch.object(operator_module, "HttpServer", NoHttpServer),
        patch.object(operator_module, "poll_session", Session),
        patch.object(operator_module, "_now", now),
    ):
        await operator.start()
    return operator


def create_run(server: FakeApiServer) -> None:
    document = {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": "run", "namespace": "ns"},
        "spec": spec_with(iterations=1),
        "status": {"observedGeneration": -1},
    }
    server.put(RUNS, document)


def run_scenario(scenario: Callable[[ServerOfAllNamespaces], Coroutine[Any, Any, None]]) -> None:
    run_in_virtual_time(scenario(ServerOfAllNamespaces()))


async def until_created(server: FakeApiServer) -> None:
    """Wait until a request to create a Job is on its way."""
    while not server.count("POST", "/jobs"):
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("seconds", [0.5, DRAIN_SECONDS / 3])
def test_a_pass_that_has_begun_ends_before_the_lease_is_released(seconds: float) -> None:
    async def scenario(server: ServerOfAllNamespaces) -> None:
        create_run(server)
        operator = await started(server, "a")
        server.latency = lambda: seconds if server.requests[-1][1] == JOBS else 0.0
        await until_created(server)
        await operator.stop()
        assert len(list(server.collection(JOBS))) == 1
        # Its status was written, so the next operator finds the Job in it.
        assert server.objects[f"{RUNS}/run"]["status"]["phase"] == "Pending"
        assert server.objects[LEASE]["spec"]["holderIdentity"] == ""
        lease = server.requests.index(("PUT", LEASE))
        assert server.requests.index(("PATCH", f"{RUNS}/run/status")) < lease

    run_scenario(scenario)


def test_the_lease_is_kept_if_a_request_may_still_have_its_effect() -> None:
    async def scenario(server: ServerOfAllNamespaces) -> None:
        create_run(server)
        operator = await started(server, "a")
        server.latency = lambda: DRAIN_SECONDS * 2 if server.requests[-1][1] == JOBS else 0.0
        await until_created(server)
        begun = asyncio.get_running_loop().time()
        await operator.stop()
        assert asyncio.get_running_loop().time() - begun == pytest.approx(DRAIN_SECONDS)
        # Another operator must not write before this one's Lease has expired.
        assert server.objects[LEASE]["spec"]["holderIdentity"] == "a"

    run_scenario(scenario)


def test_an_operator_that_stops_begins_no_other_pass() -> None:
    async def scenario(server: ServerOfAllNamespaces) -> None:
        create_run(server)
        operator = await started(server, "a")
        server.latency = lambda: 0.5 if server.requests[-1][1] == JOBS else 0.0
        await until_created(server)
        await operator.stop()
        requests = len(server.requests)
        await asyncio.sleep(600)
        assert len(server.requests) == requests
        assert operator.trouble() is None

    run_scenario(scenario)
