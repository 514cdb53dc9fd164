"""The log of watches: when kopf opened a watch, and when it opened the watch again.

kopf opens watches itself and reports no event for it. But it lists all objects first, and the
events of that listing have no type. So an event without a type after a pause means a new watch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from isheep.logs import log_event

LISTING_SECONDS = 10.0
"""The longest pause between two events of one listing."""
_LOG = logging.getLogger(__name__)


class WatchLog:
    """Logs one line for each watch that is opened."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._listing: dict[str, float] = {}
        self._times: dict[str, int] = {}

    def note(self, resource: str, kind: str | None) -> None:
        """Note an event about a resource; `kind` is None for the events of a listing."""
        if kind is not None:
            return
        now = self._monotonic()
        last, self._listing[resource] = self._listing.get(resource), now
        if last is not None and now - last <= LISTING_SECONDS:
            return
        times = self._times.get(resource, 0)
        self._times[resource] = times + 1
        message = "Watch opened again" if times else "Watch opened"
        log_event(_LOG, logging.INFO, message, resource=resource, times=times + 1)
