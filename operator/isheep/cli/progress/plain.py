"""The progress of a run without a terminal: a line when an attempt starts or ends.

Every line starts with the time. While a stage runs, one line every 30 seconds reports its
progress: often enough to show that a worker hangs, and seldom enough to keep the log short. The
line also appears if no worker reports anything. With the option --verbose, the lines that the
workers log are between these lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from isheep.api.status import SelfAlignmentRunStatus
from isheep.cli.figures.rates import Rates, duration, resumed
from isheep.cli.progress.log_lines import LogLines
from isheep.cli.terminal.text import printable
from isheep.local.events import AttemptEnd, AttemptView

PROGRESS_SECONDS = 30.0


class PlainView:
    """A listener that writes lines."""

    def __init__(
        self,
        write: Callable[[str], None],
        clock: Callable[[], datetime],
        logs: LogLines | None = None,
    ) -> None:
        """With `logs`, the view also writes what the workers log."""
        self._write = write
        self._clock = clock
        self._logs = logs
        self._rates = Rates()
        self._printed: dict[str, datetime] = {}
        self._resumed: set[tuple[str, str]] = set()

    def started(self, attempt: AttemptView) -> None:
        """Print that a stage started."""
        items = f", {attempt.items_total} items" if attempt.items_total else ""
        again = f", attempt {attempt.number}" if attempt.number > 1 else ""
        workers = f", {len(attempt.workers)} workers" if len(attempt.workers) > 1 else ""
        self._printed[attempt.name] = self._clock()
        self._rates.start(attempt)
        self._line(f"{attempt.stage}: started{items}{again}{workers}")

    def progressed(self, attempt: AttemptView) -> None:
        """Print the progress of a stage every 30 seconds."""
        self._write_all(self._logs.new(attempt) if self._logs else ())
        now = self._clock()
        self._rates.note(attempt, now)
        again = resumed(attempt)
        if again is not None and (attempt.name, attempt.stage) not in self._resumed:
            self._resumed.add((attempt.name, attempt.stage))
            self._line(f"{attempt.stage}: {again}")
        if (now - self._printed[attempt.name]).total_seconds() < PROGRESS_SECONDS:
            return
        self._printed[attempt.name] = now
        activities = ", ".join(sorted({worker.activity for worker in attempt.workers}))
        self._line(f"{attempt.stage}: {self._rates.describe(attempt)} ({activities})")

    def ended(self, end: AttemptEnd) -> None:
        """Print how an attempt ended."""
        self._write_all(self._logs.rest(end.name) if self._logs else ())
        self._rates.end(end, self._clock())
        stages = ", ".join(end.stages)
        if end.stopped_at is not None:
            self._line(f"{stages}: stopped, {end.stopped_at}")
        elif end.error is not None:
            self._line(f"{stages}: attempt {end.number} failed after {duration(end.seconds)}")
            for line in () if end.is_repeated else printable(end.error).splitlines():
                self._line(f"  {line}")
        elif end.adopted:
            self._line(f"{stages}: already committed")
        else:
            self._line(f"{stages}: done in {duration(end.seconds)}")

    def status(self, status: SelfAlignmentRunStatus) -> None:
        """Print nothing: the lines of the stages contain the progress."""

    def note(self, text: str) -> None:
        """Print a note."""
        self._line(printable(text))

    def _write_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._write(line)

    def _line(self, text: str) -> None:
        self._write(f"{self._clock():%Y-%m-%dT%H:%M:%SZ} {text}")
