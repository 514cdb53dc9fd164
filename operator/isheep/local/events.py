"""The events of a run that the driver sends to a listener, which shows them.

The driver prints nothing. It passes plain snapshots to a listener, so it works in the same way with
a live table, with lines of text and with a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from isheep.api.status import SelfAlignmentRunStatus


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker of an attempt.

    `activity` is `load`, `engine` or `cpu`; it is `start` before the first report and `done` after
    the result. `log` is the file of the process's log, if it has one.
    """

    index: int
    activity: str
    detail: str
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """A snapshot of an attempt.

    `stage` is the id of the step that runs. `items_total` is None if the number is not known.
    `items_found` items existed before the attempt began the stage.
    """

    name: str
    stage: str
    number: int
    started: datetime
    items_done: int
    items_total: int | None
    workers: tuple[WorkerView, ...]
    items_found: int = 0


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended.

    `error` is None after a success. `adopted` is True if every step was committed before the
    attempt. `stopped_at` is the stage that was running when somebody stopped the attempt, with its
    position, and None if nobody did. `is_repeated` is True if the end of the run repeats `error`.
    """

    name: str
    stages: tuple[str, ...]
    number: int
    seconds: float
    items: int | None
    adopted: bool
    error: str | None
    stopped_at: str | None = None
    is_repeated: bool = False


class Listener(Protocol):
    """Receives the events of a run in their order, from one thread."""

    def started(self, attempt: AttemptView) -> None:
        """Receive the start of an attempt."""

    def progressed(self, attempt: AttemptView) -> None:
        """Receive an attempt after a worker reported its progress."""

    def ended(self, end: AttemptEnd) -> None:
        """Receive the end of an attempt."""

    def status(self, status: SelfAlignmentRunStatus) -> None:
        """Receive a changed status after it was written to the store."""

    def note(self, text: str) -> None:
        """Receive a sentence for the user."""
