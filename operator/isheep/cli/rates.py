"""The speed of a stage and the time that it still needs, as text."""

from __future__ import annotations

from datetime import datetime

from isheep.local.events import AttemptView


class Rate:
    """Items per second since the first item of this attempt, without the time to load the model."""

    def __init__(self) -> None:
        self._stage = ""
        self._first: tuple[datetime, int] | None = None
        self._last: tuple[datetime, int] | None = None

    def note(self, attempt: AttemptView, now: datetime) -> None:
        """Record the progress of the attempt; each stage of a joined attempt has its own rate."""
        if attempt.stage != self._stage:
            self._stage, self._first = attempt.stage, None
        working = any(worker.activity == "engine" for worker in attempt.workers)
        if self._first is None and (working or attempt.items_done > 0):
            self._first = (now, attempt.items_done)
        self._last = (now, attempt.items_done)

    @property
    def per_second(self) -> float | None:
        """Items per second; None before there are two observations to compute it from."""
        if self._first is None or self._last is None:
            return None
        seconds = (self._last[0] - self._first[0]).total_seconds()
        items = self._last[1] - self._first[1]
        return items / seconds if seconds > 0 and items > 0 else None

    def seconds_left(self, attempt: AttemptView) -> float | None:
        """Return the seconds left at this rate; None if the rate or the total is unknown."""
        rate = self.per_second
        if rate is None or attempt.items_total is None:
            return None
        return max(0, attempt.items_total - attempt.items_done) / rate

    def describe(self, attempt: AttemptView) -> str:
        """Return `41/64 items, 3.2 items/s, 7 s left`, without the parts that are unknown."""
        words = []
        if attempt.items_total is not None:
            words.append(f"{attempt.items_done}/{attempt.items_total} items")
        elif attempt.items_done:
            words.append(f"{attempt.items_done} items")
        if (rate := self.per_second) is not None:
            words.append(f"{rate:.2g} items/s" if rate < 10 else f"{rate:.0f} items/s")
        if (left := self.seconds_left(attempt)) is not None:
            words.append(f"{duration(left)} left")
        return ", ".join(words) or "running"


def duration(seconds: float) -> str:
    """Return `0.4 s`, `12 s`, `3 min 20 s` or `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
