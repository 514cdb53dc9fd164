"""The traces of runs: the spans of each new status, sent if the installation has a collector.

`spans` makes the spans, and `tracing` sends them. This class only remembers when the last span of
each Job has ended, until the Job is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from isheep.api.status import SelfAlignmentRunStatus
from isheep.kube.config import TracingConfig
from isheep.kube.observability.spans import Span, spans
from isheep.kube.observability.tracing import Tracer
from isheep.planner.types import Attempt, RunView

Emit = Callable[[Iterable[Span]], None]


class Traces:
    """The traces of all runs; without `emit`, there are none."""

    def __init__(self, emit: Emit | None) -> None:
        self._emit = emit
        self._ends: dict[str, dict[str, datetime]] = {}

    def note(
        self,
        run: RunView,
        after: SelfAlignmentRunStatus,
        attempts: Sequence[Attempt],
        now: datetime,
    ) -> None:
        """Send the spans of what has ended in a new status; `run` has the status before."""
        if self._emit is None:
            return
        ends = self._ends.get(run.uid, {})
        found = list(spans(run, after, attempts, now, ends))
        latest = {**ends, **{span.job: span.end for span in found if span.job is not None}}
        existing = {attempt.name for attempt in attempts}
        self._ends[run.uid] = {job: end for job, end in latest.items() if job in existing}
        if not self._ends[run.uid]:
            del self._ends[run.uid]
        self._emit(found)


def traces_of(config: TracingConfig | None, identity: str) -> Traces:
    """Return the traces of an installation; raises `ConfigError` if they cannot be sent."""
    return Traces(None if config is None else Tracer(config, instance=identity).emit)
