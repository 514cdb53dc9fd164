"""The speed of a stage and the time that it still needs, as text."""

from __future__ import annotations

from datetime import datetime

from isheep.local.events import AttemptEnd, AttemptView
from isheep.local.positions import reached, unit

AFTER_LAST_STEP = "then validation, sample answers and upload"
"""What a training does after its last step."""


class Rates:
    """The rates of the attempts that run.

    A training goes on after its last step. That time is unknown until a training of this run has
    ended; the next training is expected to need as much.
    """

    def __init__(self) -> None:
        self._rates: dict[str, Rate] = {}
        self._after_steps: float | None = None

    def start(self, attempt: AttemptView) -> None:
        """Begin an attempt."""
        self._rates[attempt.name] = Rate(self._after_steps)

    def note(self, attempt: AttemptView, now: datetime) -> None:
        """Record the progress of an attempt."""
        self._rates[attempt.name].note(attempt, now)

    def describe(self, attempt: AttemptView) -> str:
        """Return the progress of an attempt as text; see `Rate.describe`."""
        return self._rates[attempt.name].describe(attempt)

    def end(self, end: AttemptEnd, now: datetime) -> None:
        """Forget an attempt; keep how long its training went on after the last step."""
        rate = self._rates.pop(end.name, None)
        if rate is not None and end.error is None and end.stopped_at is None:
            self._after_steps = rate.seconds_after_steps(now) or self._after_steps


class Rate:
    """Items per second since the first item of this attempt, without the time to load the model."""

    def __init__(self, after_steps: float | None = None) -> None:
        """`after_steps` are the seconds of a training after its last step, if they are known."""
        self._stage = ""
        self._first: tuple[datetime, int] | None = None
        self._last: tuple[datetime, int] | None = None
        self._complete: datetime | None = None
        self._after_steps = after_steps

    def note(self, attempt: AttemptView, now: datetime) -> None:
        """Record the progress of the attempt; each stage of a joined attempt has its own rate."""
        if attempt.stage != self._stage:
            self._stage, self._first, self._complete = attempt.stage, None, None
        working = any(worker.activity == "engine" for worker in attempt.workers)
        if self._first is None and (working or attempt.items_done > 0):
            self._first = (now, attempt.items_done)
        self._last = (now, attempt.items_done)
        if self._complete is None and attempt.items_done == attempt.items_total:
            self._complete = now

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

    def seconds_after_steps(self, now: datetime) -> float | None:
        """Return the seconds since the last step of a training; None if there is none."""
        if self._complete is None or unit(self._stage) != "step":
            return None
        return (now - self._complete).total_seconds()

    def describe(self, attempt: AttemptView) -> str:
        """Return `41/64 items, 3.2 items/s, 7 s left`, without the parts that are unknown.

        A training has steps: `3/8 steps, 12 s/step, 1 min 00 s left for the steps, then …`. If the
        time after the last step is known, the time left contains it: `1 min 09 s left`.
        """
        counted = f"{unit(attempt.stage)}s"
        words = []
        if attempt.items_total is not None:
            words.append(f"{attempt.items_done}/{attempt.items_total} {counted}")
        elif attempt.items_done:
            words.append(f"{attempt.items_done} {counted}")
        trains = counted == "steps"
        if (rate := self.per_second) is not None:
            words.append(f"{duration(1 / rate)}/step" if trains else _items_per_second(rate))
        left = self.seconds_left(attempt)
        if trains:
            words += self._left_of_training(attempt, left)
        elif left is not None:
            words.append(f"{duration(left)} left")
        return ", ".join(words) or "running"

    def _left_of_training(self, attempt: AttemptView, left: float | None) -> list[str]:
        rest = self._rest_after_steps()
        if rest is not None and (left is not None or self._complete is not None):
            return [f"{duration((left or 0) + rest)} left"]
        words = [f"{duration(left)} left for the steps"] if left else []
        return words if attempt.items_total is None else [*words, AFTER_LAST_STEP]

    def _rest_after_steps(self) -> float | None:
        """Return the expected seconds after the last step; None if unknown, or if they are over."""
        if self._after_steps is None or self._last is None:
            return None
        rest = self._after_steps - (self.seconds_after_steps(self._last[0]) or 0)
        return rest if rest > 0 else None


def resumed(attempt: AttemptView) -> str | None:
    """Return `resumes from step 3 of 8` if the attempt found finished work, else None."""
    if not attempt.items_found:
        return None
    return f"resumes from {reached(attempt.stage, attempt.items_found, attempt.items_total)}"


def _items_per_second(rate: float) -> str:
    return f"{rate:.2g} items/s" if rate < 10 else f"{rate:.0f} items/s"


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
