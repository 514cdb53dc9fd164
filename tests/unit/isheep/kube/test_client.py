"""The connection to the API server: its proxy, its pages, and errors about large objects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from aiohttp import web
from kubernetes.aio import client

from isheep.kube.client import (
    FIRST_PAGE,
    LARGEST_PAGE,
    METADATA,
    Api,
    ApiError,
    Listing,
    environment_proxy,
    next_limit,
)

Handler = Callable[[web.Request], Awaitable[web.Response]]
ResultT = TypeVar("ResultT")
PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY}, PROXY),
        ({"HTTP_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.1,.svc"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.1:443"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.2"}, PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
    ],
)
def test_the_proxy_is_that_of_the_environment(
    variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment_proxy("https://10.0.0.1:443") == proxy


@pytest.mark.parametrize(
    ("items", "size", "limit"),
    [
        (10, 100_000, 400),
        (10, 10_000, LARGEST_PAGE),
        (10, 4_000_000, 10),
        (400, 160_000_000, 10),
        (1, 50_000_000, 1),
        (0, 200, FIRST_PAGE),
    ],
)
def test_the_limit_of_a_page_follows_from_the_bytes_of_the_page_before(
    items: int, size: int, limit: int
) -> None:
    assert next_limit(items, size) == limit


def test_a_list_adapts_its_limit_and_has_the_version_of_its_first_page() -> None:
    asked: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(int(request.query["limit"]))
        last = len(asked) == 3
        items = [{"x": "y" * 500_000}] * min(4, asked[-1])
        metadata = {"resourceVersion": str(6 + len(asked)), "continue": "" if last else "token"}
        return web.json_response({"items": items, "metadata": metadata})

    versions = asyncio.run(_with_api(answer, _pages))
    assert versions == [7, 7, 7]
    assert asked == [FIRST_PAGE, 7, 7]


@pytest.mark.parametrize("status", [413, 500])
def test_an_object_that_is_too_large_is_an_error_and_no_outage(status: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"message": "etcdserver: request is too large"}, status=status)

    async def patch(api: Api) -> None:
        await api.patch_status("/run", {})

    with pytest.raises(ApiError, match="too large") as caught:
        asyncio.run(_with_api(answer, patch))
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (500, 'Internal error occurred: failed calling webhook "jobs.example.com": refused'),
        (500, 'admission webhook "jobs.example.com" denied the request: no'),
        (429, 'admission webhook "jobs.example.com" denied the request: later'),
        (504, "Timeout: request did not complete within the allotted timeout"),
    ],
)
def test_an_object_that_webhooks_do_not_admit_is_an_error_and_no_outage(
    status: int, message: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.query["timeout"] == "8s"
        return web.json_response({"message": message}, status=status)

    async def create(api: Api) -> None:
        await api.create_admitted("/jobs", {}, check=lambda: None)

    with pytest.raises(ApiError) as caught:
        asyncio.run(_with_api(answer, create))
    assert (caught.value.status, str(caught.value)) == (status, message)


@pytest.mark.parametrize("verb", ["create", "create_admitted", "patch_status", "delete"])
def test_a_write_is_not_sent_if_its_check_fails(verb: str) -> None:
    sent: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        sent.append(request.method)
        return web.json_response({})

    def check() -> None:
        raise LookupError("the Lease has expired")

    async def write(api: Api) -> None:
        body: Any = "uid" if verb == "delete" else {}
        with pytest.raises(LookupError):
            await getattr(api, verb)("/run", body, check=check)
        assert sent == []
        await getattr(api, verb)("/run", body, check=lambda: None)

    asyncio.run(_with_api(answer, write))
    assert len(sent) == 1


def test_an_empty_list_of_metadata_has_no_items() -> None:
    """A real API server answers so; `test_takeovers` has one."""
    accepted: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        accepted.append(request.headers["Accept"])
        return web.json_response({"metadata": {"resourceVersion": "7"}, "items": None})

    async def pages(api: Api) -> list[Listing]:
        return [page async for page in api.pages("/runs", accept=METADATA)]

    assert asyncio.run(_with_api(answer, pages)) == [Listing([], 7)]
    assert accepted == [METADATA]


async def _pages(api: Api) -> list[int]:
    return [page.version async for page in api.pages("/runs")]


async def _with_api(answer: Handler, use: Callable[[Api], Awaitable[ResultT]]) -> ResultT:
    """Return the result of a function of an `Api` that is connected to a server."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    api = Api(configuration, lambda method, status: None)
    try:
        return await use(api)
    finally:
        await api.close()
        await runner.cleanup()
