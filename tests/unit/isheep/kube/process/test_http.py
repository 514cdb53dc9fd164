"""The HTTP server of the operator: probes and metrics, over a real socket."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from isheep.kube.observability.metrics import Metrics
from isheep.kube.process.http import HttpServer


async def response_of(path: str, problems: dict[str, str]) -> tuple[int, str, str]:
    """Return the status, type and text of a response, while the checks report these problems."""
    port, metrics = unused_port(), Metrics()
    metrics.count_request("GET", 200)
    server = HttpServer(port, lambda: problems.get("alive"), lambda: problems.get("ready"), metrics)
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
    ("path", "problems", "status", "text"),
    [
        ("/healthz", {}, 200, "ok\n"),
        ("/readyz", {}, 200, "ok\n"),
        ("/healthz", {"alive": "a pass hangs"}, 503, "a pass hangs\n"),
        ("/readyz", {"alive": "a pass hangs"}, 200, "ok\n"),
        ("/readyz", {"ready": "nothing is listed yet"}, 503, "nothing is listed yet\n"),
        ("/healthz", {"ready": "nothing is listed yet"}, 200, "ok\n"),
    ],
)
def test_a_probe_fails_with_the_text_of_its_problem(
    path: str, problems: dict[str, str], status: int, text: str
) -> None:
    assert asyncio.run(response_of(path, problems)) == (status, "text/plain", text)


def test_metrics_are_served_as_text() -> None:
    status, kind, text = asyncio.run(response_of("/metrics", {}))
    assert (status, kind) == (200, "text/plain")
    assert 'isheep_api_requests_total{method="GET",status="200"} 1.0' in text


def test_any_other_path_is_not_found() -> None:
    assert asyncio.run(response_of("/", {}))[0] == 404
