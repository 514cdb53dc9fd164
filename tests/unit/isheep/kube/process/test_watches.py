"""The health of watches, from the requests of an HTTP session."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from isheep.kube.process.watches import Watches

API = "http://host/apis"
RUNS = f"{API}/isheep.dev/v1alpha1/namespaces/team/selfalignmentruns"
JOBS = f"{API}/batch/v1/namespaces/team/jobs"
WATCH = "?watch=true&resourceVersion=7"


def test_a_watch_is_open_while_its_last_request_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    watches = Watches()
    assert not watches.all_lost()
    watches.expect("team")
    assert watches.all_lost()
    watches.note_answer(RUNS, 200)
    assert watches.all_lost()
    watches.note_answer(RUNS + WATCH, 200)
    assert not watches.all_lost()
    assert not watches.are_open("team")
    watches.note_answer(JOBS + WATCH, 200)
    assert watches.are_open("team")
    assert sorted(watches.states()) == [
        ("jobs", "team", True),
        ("selfalignmentruns", "team", True),
    ]
    for lose in (
        lambda: watches.note_answer(JOBS + WATCH, 404),
        lambda: watches.note_answer(JOBS, 403),
        lambda: watches.note_failure(JOBS, "TimeoutError"),
        lambda: watches.lose("team", "kopf has ended"),
    ):
        lose()
        assert not watches.are_open("team")
        watches.note_answer(JOBS + WATCH, 200)
        watches.note_answer(RUNS + WATCH, 200)
        assert watches.are_open("team")
    fields = [(r.getMessage(), r.isheep_fields.get("times")) for r in caplog.records]  # type: ignore[attr-defined]
    assert fields[:3] == [("Watch opened", 1), ("Watch opened", 1), ("Watch lost", None)]
    assert fields[3] == ("Watch opened again", 2)


def test_a_list_is_complete_when_a_watch_follows() -> None:
    watches = Watches()
    watches.expect("team")
    for answers, lists in (
        ((RUNS, RUNS + "?continue=a"), 0),
        ((RUNS + WATCH,), 1),
        ((RUNS + WATCH, JOBS + WATCH), 1),
        ((JOBS, RUNS, JOBS + WATCH), 2),
        ((RUNS + WATCH,), 3),
    ):
        for answer in answers:
            watches.note_answer(answer, 200)
        assert watches.lists("team") == lists
    assert (watches.pages("team"), watches.lists("other")) == (4, 0)


def test_the_watches_of_all_namespaces_are_those_without_a_namespace() -> None:
    watches = Watches()
    watches.expect(None)
    for url in (f"{API}/isheep.dev/v1alpha1/selfalignmentruns", f"{API}/batch/v1/jobs"):
        watches.note_answer(f"{url}{WATCH}", 200)
    watches.note_failure(f"{API}/batch/v1/namespaces/other/jobs", "unknown watches are ignored")
    assert watches.are_open(None)
    assert len(list(watches.states())) == 2


def test_the_traces_of_a_session_report_its_requests() -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=404 if "lost" in request.query else 200)

    async def scenario() -> list[bool]:
        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host = f"http://127.0.0.1:{runner.addresses[0][1]}"
        watches, seen = Watches(), []
        watches.expect(None)
        async with aiohttp.ClientSession(trace_configs=[watches.trace()]) as session:
            for query in ("watch=true", "watch=true&lost=1", "watch=true"):
                async with session.get(f"{host}/apis/batch/v1/jobs?{query}"):
                    seen.append(not watches.all_lost())
            await runner.cleanup()
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(f"{host}/apis/batch/v1/jobs?watch=true")
            seen.append(not watches.all_lost())
        return seen

    assert asyncio.run(scenario()) == [True, False, True, False]
