"""A queue of keys: each is worked on by one worker at a time, and never forgotten.

A key that is woken while somebody works on it is worked on again afterwards. A key may
be woken for later; the earliest time wins, and taking the key clears it, because
whoever took it decides anew when to look again.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

RESOLUTION_SECONDS = 1e-6
"""What is due within it is due: a timer for less may fire before the clock has moved."""


class WorkQueue:
    """Keys with the times at which they are due, by the clock that is passed in (seconds)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._order = count()
        self._busy: set[str] = set()
        self._news = asyncio.Event()

    def wake(self, key: str, delay: float = 0.0) -> None:
        """Have a key worked on after a delay in seconds, or earlier if it is due earlier."""
        due = self._clock() + max(0.0, delay)
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        if key not in self._busy:
            self._push(key)

    async def take(self) -> str:
        """Wait for a key that is due; whoever takes it must call `done`."""
        while True:
            key, seconds = self._next()
            if key is not None:
                self._busy.add(key)
                return key
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), seconds)
            except TimeoutError:
                continue

    def done(self, key: str) -> None:
        """Say that nobody works on a key any more."""
        self._busy.discard(key)
        if key in self._due:
            self._push(key)

    def waiting(self) -> int:
        """Return how many keys are due and not taken."""
        now = self._clock()
        return sum(1 for key, due in self._due.items() if due <= now and key not in self._busy)

    def _push(self, key: str) -> None:
        heapq.heappush(self._heap, (self._due[key], next(self._order), key))
        self._news.set()

    def _next(self) -> tuple[str | None, float | None]:
        """Return a key that is due, or else the seconds until one is."""
        while self._heap:
            due, _, key = self._heap[0]
            if key in self._busy or self._due.get(key) != due:
                heapq.heappop(self._heap)
                continue
            seconds = due - self._clock()
            if seconds > RESOLUTION_SECONDS:
                return None, seconds
            heapq.heappop(self._heap)
            del self._due[key]
            return key, None
        return None, None
