"""A watch of one resource, as kopf keeps it: a LIST, then a stream of events.

An informer delivers the events of an object in order, and only the latest one of a burst. It lists
again when the server has lost the history (410); the events of a LIST have no type, and a LIST
reports no deletion. So the operator looks for deletions after each LIST. A silent watch delivers
nothing until it is opened again, and it may lose what happened meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

from .api_server import ApiServer, Change, Json, Refused, has_labels
from .clock import monotonic
from .connection import Network

Handler = Callable[[str | None, Json], None]
REOPEN_SECONDS = 5.0


class Informer:
    """A watch of one resource by one operator process."""

    def __init__(
        self,
        network: Network,
        resource: str,
        labels: dict[str, str],
        handler: Handler,
        chance: random.Random,
        listed: Callable[[], None],
    ) -> None:
        self._network = network
        self._listed = listed
        self._server: ApiServer = network.server
        self._resource, self._labels, self._handler = resource, labels, handler
        self._chance = chance
        self._news = asyncio.Event()
        self._position = 0
        self.silent_until = 0.0
        self.loses = False
        self.delay = 0.0

    async def run(self) -> None:
        """List and watch until the task is cancelled."""
        self._server.listeners.append(self._note)
        try:
            while True:
                await self._opened()
                self._listed()
                try:
                    await self._stream()
                except Refused:
                    await asyncio.sleep(REOPEN_SECONDS)
        finally:
            self._server.listeners.remove(self._note)

    def notice(self) -> None:
        """Find out at the end of a silence whether the watch has lost events."""
        self._news.set()

    def _note(self, change: Change) -> None:
        if change.resource == self._resource:
            self._news.set()

    async def _opened(self) -> None:
        while self._network.is_cut:
            await asyncio.sleep(REOPEN_SECONDS)
        await asyncio.sleep(self._chance.uniform(0.01, 0.3))
        self._position = self._server.version
        for _, document in self._server.members(self._resource):
            if has_labels(document, self._labels):
                self._handler(None, received(document))

    async def _stream(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            # The events are on their way meanwhile, so an answer to a write may overtake them.
            changes = self._server.since(self._position)
            await asyncio.sleep(self._chance.uniform(0.005, 0.1) + self.delay)
            pause = max(self.silent_until, self._network.cut_until) - monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            if self.loses:
                self.loses = False
                raise Refused(410, "Expired", "the events of the silence are lost")
            self._deliver(changes)

    def _deliver(self, changes: list[Change]) -> None:
        latest: dict[str, tuple[str, Json]] = {}
        for change in changes:
            if change.resource == self._resource and (kind := self._kind(change)):
                uid = str(change.document["metadata"]["uid"])
                latest.pop(uid, None)
                latest[uid] = (kind, change.document)
        if changes:
            self._position = changes[-1].version
        for kind, document in latest.values():
            self._handler(kind, received(document))

    def _kind(self, change: Change) -> str | None:
        """Return the type of the event for a watch with labels; None if there is no event."""
        now = change.kind != "DELETED" and has_labels(change.document, self._labels)
        before = change.before is not None and has_labels(change.before, self._labels)
        if now:
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else None


def received(document: Json) -> Json:
    """Return a document as a watch receives it: a copy; `memo` replaces this function."""
    copied: Json = json.loads(json.dumps(document))
    return copied
