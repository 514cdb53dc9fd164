"""The newest progress report of the child, for the clients of the pod's HTTP server.

One thread replaces the report as a whole and other threads read it, so no lock is needed.
"""

from __future__ import annotations

from isheep.contract.order import StageOrder
from isheep_worker.runtime.meter import Activity
from isheep_worker.runtime.progress import Report


class ProgressBoard:
    """The newest report. Until the child sends one, the report says that the child is loading."""

    def __init__(self, order: StageOrder, started_at: float) -> None:
        first = order.steps[0]
        self._kinds = {step.id: step.kind for step in order.steps}
        self.report = Report(first.id, 0, first.items, str(Activity.LOAD), "")
        self.started_at = started_at

    def kind_of(self, stage: str) -> str:
        """Return the kind of a stage, or "" if the order does not contain the stage."""
        return self._kinds.get(stage, "")

    def update(self, report: Report) -> None:
        """Replace the report."""
        self.report = report
