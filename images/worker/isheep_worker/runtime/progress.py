"""How far a stage has come, for whoever watches; nothing depends on it.

Reports are sparse: at most one a second, except where loading a model begins or
ends, or the engine's turn begins, because a watcher that sees no items for a minute
should know why. They hold counts and names, never a text that a model wrote: anyone in
a cluster's network may read them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isheep_worker.runtime.meter import Activity

MIN_SECONDS = 1.0
MAX_DETAIL_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Report:
    """One report; `items_total` is None where nobody knows yet."""

    stage: str
    items_done: int
    items_total: int | None
    activity: str
    detail: str

    def document(self) -> dict[str, object]:
        """Return the report as JSON values."""
        return {
            "stage": self.stage,
            "itemsDone": self.items_done,
            "itemsTotal": self.items_total,
            "activity": self.activity,
            "detail": self.detail[:MAX_DETAIL_CHARACTERS],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Report:
        """Return what `document` was made from; raises where it is no report."""
        total = document["itemsTotal"]
        return cls(
            stage=str(document["stage"]),
            items_done=int(document["itemsDone"]),
            items_total=None if total is None else int(total),
            activity=str(Activity(document["activity"])),
            detail=str(document["detail"])[:MAX_DETAIL_CHARACTERS],
        )


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
        self._activity = self._told = Activity.CPU
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
        if self._is_due():
            self._send()

    def activity(self, activity: Activity) -> None:
        """Say what the worker turned to."""
        loading = Activity.LOAD in (activity, self._activity)
        # One turn of the engine may take minutes, and nothing is heard from inside it.
        its_turn = activity is Activity.ENGINE and self._told is not Activity.ENGINE
        self._activity = activity
        if self._stage and (loading or its_turn or self._is_due()):
            self._send()

    def end(self) -> None:
        """End the stage: the last count is passed on in any case."""
        self._send()
        self._stage = ""

    def _is_due(self) -> bool:
        return self._clock() - self._sent_at >= MIN_SECONDS

    def _send(self) -> None:
        self._sent_at, self._told = self._clock(), self._activity
        self._sink(Report(self._stage, self._done, self._total, str(self._activity), self._detail))
