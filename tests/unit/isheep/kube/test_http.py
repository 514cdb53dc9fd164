"""What probes and Prometheus are answered, over a real socket."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from isheep.kube.http import HttpServer
from isheep.kube.metrics import Metrics


async def asked(path: str, problem: dict[str, str]) -> tuple[int, str, str]:
    """Return status, type and text of an answer, where checks find the problems."""
    port, metrics = unused_port(), Metrics()
    metrics.count_request("GET", 200)
    server = HttpServer(port, lambda: problem.get("alive"), lambda: problem.get("ready"), metrics)
    await server.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as response,
        ):
            return response.status, response.content_type, await response.text()
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("path", "problem", "status", "text"),
    [
        ("/healthz", {}, 200, "ok\n"),
        ("/readyz", {}, 200, "ok\n"),
        ("/healthz", {"alive": "a pass hangs"}, 503, "a pass hangs\n"),
        ("/readyz", {"alive": "a pass hangs"}, 200, "ok\n"),
        ("/readyz", {"ready": "nothing is listed yet"}, 503, "nothing is listed yet\n"),
        ("/healthz", {"ready": "nothing is listed yet"}, 200, "ok\n"),
    ],
)
def test_probes(path: str, problem: dict[str, str], status: int, text: str) -> None:
    assert asyncio.run(asked(path, problem)) == (status, "text/plain", text)


def test_metrics() -> None:
    status, kind, text = asyncio.run(asked("/metrics", {}))
    assert (status, kind) == (200, "text/plain")
    assert 'isheep_api_requests_total{method="GET",status="200"} 1.0' in text


def test_nothing_else() -> None:
    assert asyncio.run(asked("/", {}))[0] == 404
