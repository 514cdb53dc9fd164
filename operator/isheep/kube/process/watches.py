"""The health of watches: which ones are open, from the requests of kopf's sessions.

kopf reports no event when a watch opens or breaks. But it repeats a request at once if its stream
ends, and the traces of its HTTP session show each request. So a watch is open if its last request
was answered with 200, and lost if the last request failed. kopf itself ends a stream that is silent
for more than 70 seconds, because the API server sends a bookmark every minute.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import aiohttp

from isheep.api.run import PLURAL
from isheep.logs import log_event

RESOURCES = (PLURAL, "jobs")
_LOG = logging.getLogger(__name__)


class Watches:
    """The watches that the operator needs, by resource and namespace (None for all namespaces)."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str | None], bool] = {}
        self._times: dict[tuple[str, str | None], int] = {}
        self._pages: Counter[str | None] = Counter()
        self._lists: Counter[str | None] = Counter()
        # The watches of which kopf lists the objects.
        self._listing: set[tuple[str, str | None]] = set()

    def expect(self, namespace: str | None) -> None:
        """Add the watches of a namespace, which are not open yet."""
        for resource in RESOURCES:
            self._open.setdefault((resource, namespace), False)

    def states(self) -> Iterator[tuple[str, str | None, bool]]:
        """Yield resource, namespace and whether it is open, for each watch."""
        for (resource, namespace), is_open in self._open.items():
            yield resource, namespace, is_open

    def are_open(self, namespace: str | None) -> bool:
        """Return whether all watches of a namespace are open."""
        return all(self._open.get((resource, namespace), False) for resource in RESOURCES)

    def pages(self, namespace: str | None) -> int:
        """Return how many pages of LISTs of a namespace kopf has received."""
        return self._pages[namespace]

    def lists(self, namespace: str | None) -> int:
        """Return how many LISTs of a namespace kopf has completed, with a watch that follows."""
        return self._lists[namespace]

    def all_lost(self) -> bool:
        """Return whether watches are expected and none of them is open."""
        return bool(self._open) and not any(self._open.values())

    def lose(self, namespace: str | None, why: str) -> None:
        """Note that the watches of a namespace have ended."""
        for resource in RESOURCES:
            self._note(resource, namespace, why)

    def note_answer(self, url: str, status: int) -> None:
        """Note the status of an answer to a LIST or a watch."""
        place = _place(url)
        if status != 200:
            self.note_failure(url, f"the API server answers with status {status}")
        elif "true" in parse_qs(urlsplit(url).query).get("watch", ()):
            if place in self._listing:
                self._listing.remove(place)
                self._lists[place[1]] += 1
            self._note(*place, None)
        else:
            self._pages[place[1]] += 1
            self._listing.add(place)

    def note_failure(self, url: str, why: str) -> None:
        """Note a request without an answer, or with an error."""
        self._note(*_place(url), why)

    def trace(self) -> aiohttp.TraceConfig:
        """Return the traces for a session of kopf."""
        trace = aiohttp.TraceConfig()

        async def answered(
            _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams
        ) -> None:
            self.note_answer(str(params.url), params.response.status)

        async def failed(
            _: aiohttp.ClientSession,
            __: SimpleNamespace,
            params: aiohttp.TraceRequestExceptionParams,
        ) -> None:
            self.note_failure(str(params.url), type(params.exception).__name__)

        trace.on_request_end.append(answered)
        trace.on_request_exception.append(failed)
        return trace

    def _note(self, resource: str, namespace: str | None, why: str | None) -> None:
        """Note that a watch is open, or why it is not; log each change."""
        watch = (resource, namespace)
        known = self._open.get(watch)
        if known is None or known is (why is None):
            return
        self._open[watch] = why is None
        fields = {"resource": resource, "namespace": namespace or "all"}
        if why is not None:
            log_event(_LOG, logging.WARNING, "Watch lost", **fields, why=why)
            return
        self._times[watch] = times = self._times.get(watch, 0) + 1
        message = "Watch opened" if times == 1 else "Watch opened again"
        log_event(_LOG, logging.INFO, message, **fields, times=times)


def _place(url: str) -> tuple[str, str | None]:
    """Return the resource and the namespace in the URL of a LIST or a watch."""
    parts = urlsplit(url).path.rstrip("/").split("/")
    namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts[:-1] else None
    return parts[-1], namespace
