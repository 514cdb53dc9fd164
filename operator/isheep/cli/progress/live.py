"""The progress of a run on a terminal: a block that is redrawn, below the finished stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from isheep.api.status import SelfAlignmentRunStatus
from isheep.cli.figures.rates import Rates, duration, resumed
from isheep.cli.progress.log_lines import LogLines
from isheep.cli.terminal.text import printable
from isheep.local.events import AttemptEnd, AttemptView

_ACTIVITIES = {
    "start": "starting",
    "load": "loading the model",
    "engine": "running the engine",
    "cpu": "computing on the CPU",
    "done": "done",
}


class LiveView:
    """A listener that draws on a terminal, and a context manager that restores the terminal."""

    def __init__(
        self,
        name: str,
        iterations: int,
        console: Console,
        clock: Callable[[], datetime],
        logs: LogLines | None = None,
    ) -> None:
        """With `logs`, the view also prints what the workers log, above the block."""
        self._logs = logs
        self._name = name
        self._iterations = iterations
        self._console = console
        self._clock = clock
        self._attempts: dict[str, AttemptView] = {}
        self._rates = Rates()
        self._resumed: set[tuple[str, str]] = set()
        self._status = SelfAlignmentRunStatus()
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def started(self, attempt: AttemptView) -> None:
        """Add an attempt to the block."""
        self._attempts[attempt.name] = attempt
        self._rates.start(attempt)

    def progressed(self, attempt: AttemptView) -> None:
        """Update the progress of an attempt."""
        self._print_all(self._logs.new(attempt) if self._logs else ())
        self._rates.note(attempt, self._clock())
        self._attempts[attempt.name] = attempt
        again = resumed(attempt)
        if again is not None and (attempt.name, attempt.stage) not in self._resumed:
            self._resumed.add((attempt.name, attempt.stage))
            self._console.print(Text(f"  {attempt.stage:<24}{again}", "dim"))

    def ended(self, end: AttemptEnd) -> None:
        """Remove an attempt from the block and print how it ended."""
        self._print_all(self._logs.rest(end.name) if self._logs else ())
        self._rates.end(end, self._clock())
        self._attempts.pop(end.name, None)
        line = Text(f"  {', '.join(end.stages):<24}")
        if end.stopped_at is not None:
            line.append(f"stopped, {end.stopped_at}", "yellow")
        elif end.error is not None:
            line.append(f"attempt {end.number} failed after {duration(end.seconds)}", "red")
            line.append("" if end.is_repeated else f": {printable(end.error)}")
        elif end.adopted:
            line.append("already committed", "dim")
        else:
            line.append(duration(end.seconds), "green")
        self._console.print(line)

    def status(self, status: SelfAlignmentRunStatus) -> None:
        """Update the iteration and the phase."""
        self._status = status

    def note(self, text: str) -> None:
        """Print a note above the block."""
        self._console.print(Text(printable(f"  {text}"), "yellow"))

    def _print_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._console.print(Text(line, "dim"), soft_wrap=True)

    def _draw(self) -> RenderableType:
        iteration = self._status.iteration or 0
        head = Text.assemble(
            (self._name, "bold"),
            f"  iteration {iteration}/{self._iterations}  ",
            (self._status.phase or "", "dim"),
        )
        return Group(head, *(self._attempt(attempt) for attempt in self._attempts.values()))

    def _attempt(self, attempt: AttemptView) -> RenderableType:
        elapsed = (self._clock() - attempt.started).total_seconds()
        grid = Table.grid(padding=(0, 2))
        total = attempt.items_total
        grid.add_row(
            Text(attempt.stage, "cyan"),
            ProgressBar(total=total or 1, completed=attempt.items_done, width=30, pulse=not total),
            Text(self._rates.describe(attempt)),
            Text(duration(elapsed), "dim"),
        )
        for worker in attempt.workers:
            activity = _ACTIVITIES.get(worker.activity, worker.activity)
            label = f"worker {worker.index}" if len(attempt.workers) > 1 else "worker"
            grid.add_row(Text(label, "dim"), Text(activity), Text(printable(worker.detail), "dim"))
        return grid
