"""Accounting of an order's time by activity: model load, engine and CPU.

A worker has exactly one activity at a time, so the meter switches between activities. Inside
`measure` the time counts for the activity that the caller names, and outside of it for the CPU
(reading, parsing, rules, writing). Every second of an order is counted exactly once. Idle time is
the time between orders, which only the driver can see.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum


class Activity(StrEnum):
    """The activities of a worker."""

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
    """A clock that counts each second for one activity."""

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
        """Count the time inside the context for an activity."""
        before = self._activity
        self._switch(activity)
        try:
            yield
        finally:
            self._switch(before)

    def move(self, seconds: float, source: Activity, target: Activity) -> None:
        """Count seconds for `target` that were counted for `source`, as another process reports."""
        self._switch(self._activity)
        self._spent[source] -= seconds
        self._spent[target] += seconds

    def restart(self, before: float = 0.0) -> None:
        """Reset all activities to zero, and the load to the `before` seconds that led to the stage.

        Call this at the beginning of a stage.
        """
        self._since = self._clock()
        self._spent = dict.fromkeys(Activity, 0.0)
        self._spent[Activity.LOAD] = before

    def seconds(self) -> Seconds:
        """Return the seconds since the last `restart`."""
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
