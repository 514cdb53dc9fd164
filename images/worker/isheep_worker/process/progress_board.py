"""The newest progress of the child, for the clients of the pod's HTTP server.

One thread replaces the report, or the list of committed stages, as a whole and other threads read
them, so no lock is needed.
"""

from __future__ import annotations

import json

from isheep.contract.order import StageOrder, StepResult
from isheep.contract.rule_names import DROP
from isheep.contract.stage_ids import kind_name
from isheep_worker.process.channel import Waits
from isheep_worker.runtime.meter import Activity
from isheep_worker.runtime.progress import Report

COMMITTED_BYTES = 48 * 1024
"""The place for committed stages in an answer, of which the operator reads 64 KiB.

The operator asks often, so it knows the older ones already, and the result of the Job counts all.
"""


class ProgressBoard:
    """The newest report, the stages that a walk has found committed, and what the child waits for.

    Until the child sends a report, the report shows that the child is loading.
    """

    def __init__(self, order: StageOrder, started_at: float) -> None:
        first = order.steps[0]
        self.committed: tuple[dict[str, object], ...] = ()
        self.waits_for = ""
        self._kinds = {step.id: step.kind for step in order.steps}
        self.report = Report(first.id, 0, first.items, str(Activity.LOAD), "")
        self.started_at = started_at

    def kind_of(self, stage: str) -> str:
        """Return the kind of a stage."""
        return self._kinds.get(stage) or kind_name(stage)

    def update(self, report: Report | StepResult | Waits) -> None:
        """Replace the report or what the child waits for, or add a committed stage."""
        if isinstance(report, Report):
            self.report = report
        elif isinstance(report, Waits):
            self.waits_for = report.text
        else:
            self.committed = _newest((*self.committed, _row(report)))

    def document(self) -> dict[str, object]:
        """Return the report, the committed stages and what the child waits for as JSON values."""
        committed = {"committed": list(self.committed)} if self.committed else {}
        waits = {"waitsFor": self.waits_for} if self.waits_for else {}
        return {**self.report.document(), **committed, **waits}


def _newest(rows: tuple[dict[str, object], ...]) -> tuple[dict[str, object], ...]:
    """Return the newest rows, as many as an answer has place for."""
    place = COMMITTED_BYTES
    for number, row in enumerate(reversed(rows)):
        place -= len(json.dumps(row)) + 2
        if place < 0:
            return rows[len(rows) - number :]
    return rows


def _row(step: StepResult) -> dict[str, object]:
    """Return a committed stage with the statistics that decisions and messages need."""
    statistics = {n: v for n, v in step.statistics.items() if ":" not in n or n.startswith(DROP)}
    return {"id": step.id, "key": step.key, "statistics": statistics}
