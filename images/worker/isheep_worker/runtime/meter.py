"""Where an order's time goes: model load, engine, CPU; what is left is idle.

At any moment the worker does one thing, so time is accounted by switching: inside
`measure` the activity is the one named, outside of it is CPU work (reading, parsing,
rules, writing). No second of an order is counted twice or left out; idle time is what
lies between orders, and only whoever sees all orders can tell it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum


class Activity(StrEnum):
    """What a worker is doing."""

    LOAD = "load"
    ENGINE = "engine"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds by activity."""

    load: float = 0.0
    engine: float = 0.0
    cpu: float = 0.0


class Meter:
    """A clock that always runs on exactly one activity."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[Activity], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._spent = dict.fromkeys(Activity, 0.0)
        self._activity = Activity.CPU
        self._since = clock()

    @contextmanager
    def measure(self, activity: Activity) -> Iterator[None]:
        """Count the time inside as this activity's."""
        before = self._activity
        self._switch(activity)
        try:
            yield
        finally:
            self._switch(before)

    def move(self, seconds: float, source: Activity, target: Activity) -> None:
        """Count seconds already counted as `source` as `target`'s: told by who did the work."""
        self._switch(self._activity)
        self._spent[source] -= seconds
        self._spent[target] += seconds

    def restart(self, before: float = 0.0) -> None:
        """Begin a step: all is zero again but `before`, seconds of loading that led to it."""
        self._since = self._clock()
        self._spent = dict.fromkeys(Activity, 0.0)
        self._spent[Activity.LOAD] = before

    def seconds(self) -> Seconds:
        """Return what was spent since the last `restart`."""
        self._switch(self._activity)
        spent = self._spent
        return Seconds(spent[Activity.LOAD], spent[Activity.ENGINE], spent[Activity.CPU])

    def _switch(self, activity: Activity) -> None:
        now = self._clock()
        self._spent[self._activity] += now - self._since
        self._since = now
        if activity is not self._activity:
            self._activity = activity
            self._on_change(activity)
