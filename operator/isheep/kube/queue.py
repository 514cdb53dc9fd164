"""A work queue of keys: one worker at a time works on a key, and no wake-up is lost.

A key that is woken while a worker works on it is due again afterwards. A key can be woken for a
later time. The earliest time counts, and taking the key clears the time, because the worker decides
when the key is due next.

Urgent keys come first, and some workers take urgent keys only. So a thousand new runs cannot
delay the next Jobs of running ones, whose GPUs would be idle, or an edit of a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Callable, Sequence
from itertools import count

RESOLUTION_SECONDS = 1e-6
"""A key that is due within this time is due now, because shorter timers may end too early."""


class WorkQueue:
    """Keys and the times at which they are due, in seconds of the given clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        # One heap for urgent keys and one for all others, by due time.
        self._heaps: dict[bool, list[tuple[float, int, str]]] = {True: [], False: []}
        self._urgent: set[str] = set()
        self._order = count()
        self._busy: set[str] = set()
        self._news = asyncio.Event()
        # Of the workers of a class, one waits for news and for the clock, and the others for it.
        self._turns = {True: asyncio.Lock(), False: asyncio.Lock()}

    def wake(self, key: str, delay: float = 0.0, *, urgent: bool = False) -> None:
        """Make a key due after a delay in seconds, or earlier if it is due earlier already.

        A key that was woken as urgent stays urgent until a worker takes it.
        """
        due = self._clock() + max(0.0, delay)
        sooner = key not in self._due or due < self._due[key]
        if not sooner and (key in self._urgent or not urgent):
            return
        if sooner:
            self._due[key] = due
        if urgent:
            self._urgent.add(key)
        if key not in self._busy:
            self._push(key)

    async def take(self, *, only_urgent: bool = False) -> str:
        """Wait for a key that is due; the caller must call `done` afterwards."""
        classes = (True,) if only_urgent else (True, False)
        async with self._turns[only_urgent]:
            while True:
                key, seconds = self._next(classes)
                if key is not None:
                    self._busy.add(key)
                    return key
                self._news.clear()
                # `wait_for` would make a task for each wait.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._news.wait()

    def done(self, key: str) -> None:
        """End the work on a key."""
        self._busy.discard(key)
        if key in self._due:
            self._push(key)

    def waiting(self) -> int:
        """Return the number of keys that are due and not taken."""
        now = self._clock()
        return sum(1 for key, due in self._due.items() if due <= now and key not in self._busy)

    def _push(self, key: str) -> None:
        entry = (self._due[key], next(self._order), key)
        heapq.heappush(self._heaps[key in self._urgent], entry)
        self._news.set()

    def _next(self, classes: Sequence[bool]) -> tuple[str | None, float | None]:
        """Return a key that is due, or else the seconds until the next one is due."""
        waits: list[float] = []
        for urgent in classes:
            due = self._first_of(urgent)
            if due is None:
                continue
            seconds = due - self._clock()
            if seconds <= RESOLUTION_SECONDS:
                _, _, key = heapq.heappop(self._heaps[urgent])
                del self._due[key]
                self._urgent.discard(key)
                return key, None
            waits.append(seconds)
        return None, min(waits, default=None)

    def _first_of(self, urgent: bool) -> float | None:
        """Remove outdated entries from a heap; return when its first key is due.

        An entry stays in its heap when its key is taken, becomes due earlier, or becomes urgent,
        because a heap cannot remove an entry from its middle. So an entry counts only if it still
        agrees with `_due`, `_busy` and `_urgent`.
        """
        heap = self._heaps[urgent]
        while heap:
            due, _, key = heap[0]
            current = key not in self._busy and self._due.get(key) == due
            if current and (key in self._urgent) == urgent:
                return due
            heapq.heappop(heap)
        return None
