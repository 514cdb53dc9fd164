"""What the driver tells whoever shows a run to people.

The driver prints nothing. It hands a listener plain snapshots, so that a live table,
lines in a log and a test's list are the same to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from isheep.api.status import SelfAlignmentRunStatus


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker of an attempt: `activity` is load, engine, cpu, or start before it spoke."""

    index: int
    activity: str
    detail: str


@dataclass(frozen=True, slots=True)
class AttemptView:
    """An attempt as it stands. `stage` is the step at work, `items_total` None where unknown."""

    name: str
    stage: str
    number: int
    started: datetime
    items_done: int
    items_total: int | None
    workers: tuple[WorkerView, ...]


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended; `error` is None where all went well, `adopted` where it was there."""

    name: str
    stages: tuple[str, ...]
    number: int
    seconds: float
    items: int | None
    adopted: bool
    error: str | None


class Listener(Protocol):
    """Somebody who shows a run. Calls come from one thread, in order."""

    def started(self, attempt: AttemptView) -> None:
        """An attempt was handed to its workers."""

    def progressed(self, attempt: AttemptView) -> None:
        """A worker reported."""

    def ended(self, end: AttemptEnd) -> None:
        """An attempt's last worker answered or died."""

    def status(self, status: SelfAlignmentRunStatus) -> None:
        """The run's status changed and was written."""

    def note(self, text: str) -> None:
        """Something else that a person should know."""
