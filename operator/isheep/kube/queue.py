"""A queue of keys: each is worked on by one worker at a time, and never forgotten.

A key that is woken while somebody works on it is worked on again afterwards. A key may
be woken for later; the earliest time wins, and taking the key clears it, because
whoever took it decides anew when to look again.

Of the keys that are due an urgent one is taken first, and some workers take no other: a
thousand new runs at once must not keep the GPUs of those that are under way idle.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from itertools import count

RESOLUTION_SECONDS = 1e-6
"""What is due within it is due: a timer for less may fire before the clock has moved."""


class WorkQueue:
    """Keys with the times at which they are due, by the clock that is passed in (seconds)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        # The urgent and the others, each by the time when they are due.
        self._heaps: dict[bool, list[tuple[float, int, str]]] = {True: [], False: []}
        self._urgent: set[str] = set()
        self._order = count()
        self._busy: set[str] = set()
        self._news = asyncio.Event()

    def wake(self, key: str, delay: float = 0.0, *, urgent: bool = False) -> None:
        """Have a key worked on after a delay in seconds, or earlier if it is due earlier.

        A key that was ever woken urgently is urgent until it is taken.
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
        """Wait for a key that is due; whoever takes it must call `done`."""
        classes = (True,) if only_urgent else (True, False)
        while True:
            key, seconds = self._next(classes)
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
        entry = (self._due[key], next(self._order), key)
        heapq.heappush(self._heaps[key in self._urgent], entry)
        self._news.set()

    def _next(self, classes: Sequence[bool]) -> tuple[str | None, float | None]:
        """Return a key that is due, or else the seconds until one is."""
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
        """Drop what is no longer so from a heap; return when its first key is due."""
        heap = self._heaps[urgent]
        while heap:
            due, _, key = heap[0]
            told = key not in self._busy and self._due.get(key) == due
            if told and (key in self._urgent) == urgent:
                return due
            heapq.heappop(heap)
        return None
