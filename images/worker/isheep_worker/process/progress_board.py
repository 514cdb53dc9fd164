"""What is known of the work at this moment, for whoever asks the pod.

One thread puts the child's newest report here, others read it: a report is replaced as
a whole, so no lock is needed.
"""

from __future__ import annotations

from isheep.contract.order import StageOrder
from isheep_worker.runtime.meter import Activity
from isheep_worker.runtime.progress import Report


class ProgressBoard:
    """The newest report. Before the first one the child is being loaded."""

    def __init__(self, order: StageOrder, started_at: float) -> None:
        first = order.steps[0]
        self._kinds = {step.id: step.kind for step in order.steps}
        self.report = Report(first.id, 0, first.items, str(Activity.LOAD), "")
        self.started_at = started_at

    def kind_of(self, stage: str) -> str:
        """Return a stage's kind, "" for one that is not in the order."""
        return self._kinds.get(stage, "")

    def update(self, report: Report) -> None:
        """Replace the report."""
        self.report = report
