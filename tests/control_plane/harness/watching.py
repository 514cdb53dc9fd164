"""A permanent watch: list, then watch, and list again if the watch cannot be resumed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp

Report = Callable[[str, dict[str, Any]], None]
"""Receives ADDED, MODIFIED or DELETED, and the object."""


class WatchExpiredError(Exception):
    """The API server no longer has the resource version from which the watch would resume."""


async def watch(
    session: aiohttp.ClientSession, path: str, report: Report, *, selector: str = ""
) -> None:
    """Report every object at `path` and every change of an object, until cancelled."""
    known: dict[str, dict[str, Any]] = {}

    def remember(kind: str, item: dict[str, Any]) -> None:
        if kind == "DELETED":
            known.pop(item["metadata"]["uid"], None)
        else:
            known[item["metadata"]["uid"]] = item
        report(kind, item)

    while True:
        try:
            await _list_and_watch(session, path, remember, known, selector)
        except (aiohttp.ClientError, WatchExpiredError, ConnectionError, TimeoutError):
            await asyncio.sleep(0.2)


async def _list_and_watch(
    session: aiohttp.ClientSession,
    path: str,
    report: Report,
    known: dict[str, dict[str, Any]],
    selector: str,
) -> None:
    parameters = {"fieldSelector": selector} if selector else {}
    async with session.get(path, params=parameters) as response:
        response.raise_for_status()
        listed = await response.json()
    existing = {item["metadata"]["uid"] for item in listed["items"]}
    for deleted in [item for uid, item in known.items() if uid not in existing]:
        report("DELETED", deleted)
    for item in listed["items"]:
        report("ADDED", item)
    version = listed["metadata"]["resourceVersion"]
    while True:
        parameters |= {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        async with session.get(path, params=parameters) as response:
            response.raise_for_status()
            async for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise WatchExpiredError(str(event["object"]))
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    report(event["type"], event["object"])


async def _lines(response: aiohttp.ClientResponse) -> Any:
    """Yield lines of any length; the line reader of aiohttp limits their length."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
