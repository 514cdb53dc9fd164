"""What is remembered of a run between passes. Lost with the process; nothing depends on it.

A Job says a lot on its way that no plan asks for: that its pod has ended, before it says that
it has itself, or that it is gone, which we knew. Half of all passes found nothing to do, so
what the last such plan was shown is kept, and nothing is planned while that holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from isheep.kube.attempts import PodObservation
from isheep.kube.records import RunRecord
from isheep.kube.rejections import Rejection
from isheep.planner.types import Attempt


@dataclass(frozen=True, slots=True)
class IdlePlan:
    """What a run was like when its plan had nothing to do, and until when it has none.

    Peers are no part of it: a run that waits for one does not rest.
    """

    record: RunRecord
    attempts: tuple[Attempt, ...]
    until: datetime | None

    def holds(self, record: RunRecord, attempts: tuple[Attempt, ...], now: datetime) -> bool:
        """Whether a plan would have nothing to do now either."""
        undisturbed = self.record == record and self.attempts == attempts
        return undisturbed and (self.until is None or now < self.until)


@dataclass(slots=True)
class Memory:
    """What is remembered of a run."""

    rest: IdlePlan | None = None
    observations: dict[str, PodObservation] = field(default_factory=dict)
    rejections: dict[str, Rejection] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    progress_written: datetime | None = None
