"""What the operator keeps in memory about a run between passes.

The memory is lost with the process, and nothing depends on it. Its main use is to avoid plans: a
Job reports many changes that no plan needs (its pod ended before the Job did, or a deletion that
the operator made itself). So the operator keeps the inputs of the last plan that had no actions,
and plans again only if one of these inputs changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from isheep.kube.attempts import PodObservation
from isheep.kube.records import RunRecord
from isheep.kube.rejections import Rejections
from isheep.planner.types import Attempt


@dataclass(frozen=True, slots=True)
class IdlePlan:
    """The inputs of a plan without actions, and the time until which it stays without actions.

    Peers are not among the inputs, so a run that waits for a peer has no idle plan.
    """

    record: RunRecord
    attempts: tuple[Attempt, ...]
    until: datetime | None

    def holds(self, record: RunRecord, attempts: tuple[Attempt, ...], now: datetime) -> bool:
        """Return whether a plan with these inputs has no actions now either."""
        unchanged = self.record == record and self.attempts == attempts
        return unchanged and (self.until is None or now < self.until)


@dataclass(slots=True)
class Memory:
    """The memory of one run.

    `refused` is why its status could not be written the last time, and `kept` why the run or a Job
    could not be deleted. `looked` is True after this process has looked for Jobs without labels.
    """

    idle: IdlePlan | None = None
    observations: dict[str, PodObservation] = field(default_factory=dict)
    rejections: Rejections = field(default_factory=Rejections)
    progress_written: datetime | None = None
    refused: str | None = None
    kept: str | None = None
    looked: bool = False
