"""Progress of a stage, for people and dashboards; no result depends on it.

There is at most one report a second, with these exceptions: the load of a model begins or ends,
the engine begins, or a worker found the work of an earlier attempt. These reports explain a minute
without new items. An engine works in many short calls. So a report names the engine if it worked at
any time since the last report. Reports contain counts and names, and never generated text, because
every client in the cluster's network may read them.
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
    """One report; `items_total` is None while the number is unknown.

    `items_found` of the finished items existed before this worker began the stage.
    """

    stage: str
    items_done: int
    items_total: int | None
    activity: str
    detail: str
    items_found: int = 0

    def document(self) -> dict[str, object]:
        """Return the report as JSON values."""
        found = {"itemsFound": self.items_found} if self.items_found else {}
        return {
            "stage": self.stage,
            "itemsDone": self.items_done,
            "itemsTotal": self.items_total,
            "activity": self.activity,
            "detail": self.detail[:MAX_DETAIL_CHARACTERS],
            **found,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Report:
        """Return the report that `document` was made from.

        Raises `KeyError`, `TypeError`, `ValueError` or `OverflowError` if it is not a report.
        """
        total = document["itemsTotal"]
        return cls(
            stage=str(document["stage"]),
            items_done=int(document["itemsDone"]),
            items_total=None if total is None else int(total),
            activity=str(Activity(document["activity"])),
            detail=str(document["detail"])[:MAX_DETAIL_CHARACTERS],
            items_found=int(document.get("itemsFound", 0)),
        )


class Progress:
    """Collects the state of the stage, and passes reports to a sink at a limited rate."""

    def __init__(
        self, sink: Callable[[Report], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._sent_at = float("-inf")
        self._stage = ""
        self._done = self._found = 0
        self._total: int | None = None
        self._activity = self._sent_activity = Activity.CPU
        self._engine_worked = False
        self._detail = ""

    def begin(self, stage: str, total: int | None = None) -> None:
        """Begin a stage, with the total of its items if it is known."""
        self._stage, self._done, self._total, self._detail = stage, 0, total, ""
        self._found, self._engine_worked = 0, False
        self._send()

    def found(self, done: int, total: int) -> None:
        """Set the number of items that earlier attempts have finished, and the total."""
        self._found = self._done = done
        self._total = total
        self._send()

    def items(self, done: int, total: int | None = None, detail: str = "") -> None:
        """Set the number of finished items, and the total if it has become known."""
        self._done, self._detail = done, detail
        if total is not None:
            self._total = total
        if self._is_due():
            self._send()

    def activity(self, activity: Activity) -> None:
        """Set the activity that the worker has begun."""
        loading = Activity.LOAD in (activity, self._activity)
        # One call of the engine may take minutes, and sends no report before it returns.
        engine_begins = activity is Activity.ENGINE and self._sent_activity is not Activity.ENGINE
        self._activity = activity
        self._engine_worked = self._engine_worked or activity is Activity.ENGINE
        if self._stage and (loading or engine_begins or self._is_due()):
            self._send()

    def end(self) -> None:
        """End the stage, and send its last count regardless of the rate."""
        self._send()
        self._stage = ""

    def _is_due(self) -> bool:
        return self._clock() - self._sent_at >= MIN_SECONDS

    def _send(self) -> None:
        shown = self._activity
        if shown is Activity.CPU and self._engine_worked:
            shown = Activity.ENGINE
        self._engine_worked = self._activity is Activity.ENGINE
        self._sent_at, self._sent_activity = self._clock(), shown
        self._sink(
            Report(self._stage, self._done, self._total, str(shown), self._detail, self._found)
        )
