"""How far a stage has come, for whoever watches; nothing depends on it.

Reports are sparse: at most one a second, except where loading a model begins or
ends, because a watcher that sees no items for a minute should know why.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from isheep_worker.meter import Activity

MIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """One report; `items_total` is None where nobody knows yet."""

    stage: str
    items_done: int
    items_total: int | None
    activity: str
    detail: str

    def document(self) -> dict[str, object]:
        """Return the report as the line of JSON that `serve` writes."""
        fields = asdict(self)
        return {
            "type": "progress",
            "stage": fields["stage"],
            "itemsDone": fields["items_done"],
            "itemsTotal": fields["items_total"],
            "activity": fields["activity"],
            "detail": fields["detail"],
        }


class Progress:
    """Collects what is known and passes it on, not too often."""

    def __init__(
        self, sink: Callable[[Report], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._sent_at = float("-inf")
        self._stage = ""
        self._done = 0
        self._total: int | None = None
        self._activity = Activity.CPU
        self._detail = ""

    def begin(self, stage: str, total: int | None = None) -> None:
        """Begin a stage."""
        self._stage, self._done, self._total, self._detail = stage, 0, total, ""
        self._send()

    def items(self, done: int, total: int | None = None, detail: str = "") -> None:
        """Say how many items are done, of how many where that is known by now."""
        self._done, self._detail = done, detail
        if total is not None:
            self._total = total
        if self._clock() - self._sent_at >= MIN_SECONDS:
            self._send()

    def activity(self, activity: Activity) -> None:
        """Say what the worker turned to."""
        loading = Activity.LOAD in (activity, self._activity)
        self._activity = activity
        if self._stage and loading:
            self._send()

    def end(self) -> None:
        """End the stage: the last count is passed on in any case."""
        self._send()
        self._stage = ""

    def _send(self) -> None:
        self._sent_at = self._clock()
        self._sink(Report(self._stage, self._done, self._total, str(self._activity), self._detail))
