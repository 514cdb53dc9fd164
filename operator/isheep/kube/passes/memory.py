"""What the operator keeps in memory about a run between passes.

The memory is lost with the process, and nothing depends on it. Its main use is to avoid plans: a
Job reports many changes that no plan needs (its pod ended before the Job did, or a deletion that
the operator made itself). So the operator keeps the inputs of the last plan that started and
stopped nothing, and plans again only if one of these inputs changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from isheep.kube.cache.records import RunRecord
from isheep.kube.passes.attempts import PodObservation
from isheep.kube.passes.rejections import Rejections
from isheep.planner.types import Attempt, Plan, Remove


@dataclass(frozen=True, slots=True)
class IdlePlan:
    """The inputs of a plan that is done, and the time in which a plan finds nothing new to do.

    Before `since`, the time of the plan, the clock has been set back, and holds may be over.

    Peers are not among the inputs, so a run that waits for a peer has no idle plan. The attempts
    that the plan has `removed` are not in `attempts`: their results are stored, so that nothing
    depends on the end of their Jobs.
    """

    record: RunRecord
    attempts: tuple[Attempt, ...]
    since: datetime
    until: datetime | None
    removed: frozenset[str] = frozenset()

    def holds(self, record: RunRecord, attempts: tuple[Attempt, ...], now: datetime) -> bool:
        """Return whether a plan with these inputs finds nothing new to do now either."""
        left = tuple(one for one in attempts if one.name not in self.removed)
        unchanged = self.record == record and self.attempts == left
        return unchanged and self.since <= now and (self.until is None or now < self.until)


def idle_plan(
    plan: Plan, stored: RunRecord, attempts: tuple[Attempt, ...], now: datetime
) -> IdlePlan | None:
    """Return the idle plan after a plan was performed; None if a later plan has more to do.

    Args:
        plan: The plan, at the time `now`.
        stored: The run with the status of the plan.
        attempts: The attempts that the plan has observed.
    """
    removed = frozenset(one.attempt for one in plan.actions if isinstance(one, Remove))
    if len(removed) < len(plan.actions) or stored.rests:
        return None
    left = tuple(one for one in attempts if one.name not in removed)
    return IdlePlan(stored.kept(), left, now, plan.wake_at, removed)


@dataclass(slots=True)
class Memory:
    """The memory of one run.

    `refused` is why its status could not be written the last time, and `kept` why the run or a Job
    could not be deleted. `looked` is True after this process has looked for Jobs without labels.
    `stopped` are the attempts that it has stopped since the last status that it wrote, by name.
    `gone` are the attempts whose Jobs somebody has removed since that status, by the Job's UID.
    `unanswered` are the names of Jobs whose creation had no answer but 504, so they may exist.
    `epoch` is that of the pass that reads the cache now (`fence`), and `looked_epoch` that in which
    this process has looked for Jobs that only their pods show.
    """

    idle: IdlePlan | None = None
    observations: dict[str, PodObservation] = field(default_factory=dict)
    rejections: Rejections = field(default_factory=Rejections)
    progress_written: datetime | None = None
    refused: str | None = None
    kept: str | None = None
    looked: bool = False
    stopped: dict[str, Attempt] = field(default_factory=dict)
    gone: dict[str, Attempt] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    epoch: int = 0
    looked_epoch: int | None = None
