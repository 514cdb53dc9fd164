"""Conditions: the state of a run for programs, correct by kstatus in every version.

| state | conditions |
|---|---|
| running, pending, queued, retrying | Reconciling=True, Ready=False |
| succeeded | Ready=True, Complete=True |
| suspended | Ready=False, Suspended=True |
| waiting for something outside of the run | Ready=False, Stalled=True |
| failed, until an edit or a retry | Ready=False, Failed=True, Stalled=True |

Ready is always present, and every other condition only while it is true. Two conditions are added
to any state: Evaluated=False while the run goes on without a measurement of a model that has
failed, and Degrading=True while the newest verdict has an alarm of a guard. Each condition has the
generation that it describes. Its transition time changes only when its status changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from isheep.api.status import Condition, StageRecord
from isheep.contract.choices import (
    GUARD_RULE_NAMES,
    ConditionStatus,
    ConditionType,
    Phase,
)
from isheep.contract.reasons import Reason
from isheep.contract.stage_ids import iteration_of
from isheep.recipes.stage_kinds import StageKind


class RunPhase(Enum):
    """The states of a run; the values are those of `status.phase`."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class State:
    """The state of a run with its reason and message."""

    run_phase: RunPhase
    reason: str
    message: str = ""

    @property
    def phase(self) -> Phase:
        """The value of `status.phase`."""
        return self.run_phase.value


_TRUE: dict[RunPhase, tuple[ConditionType, ...]] = {
    RunPhase.PENDING: ("Reconciling",),
    RunPhase.RUNNING: ("Reconciling",),
    RunPhase.SUSPENDED: ("Suspended",),
    RunPhase.STALLED: ("Stalled",),
    RunPhase.SUCCEEDED: ("Ready", "Complete"),
    RunPhase.FAILED: ("Failed", "Stalled"),
}


def conditions(
    state: State,
    before: Sequence[Condition],
    generation: int,
    now: datetime,
    records: Sequence[StageRecord] = (),
) -> tuple[Condition, ...]:
    """Return the conditions of a state, Ready first; `records` are those of the stages."""
    true = _TRUE[state.run_phase]
    types: tuple[ConditionType, ...] = ("Ready", *(name for name in true if name != "Ready"))
    known = {c.type: c for c in before}

    def condition(
        name: ConditionType, status: ConditionStatus, reason: str, message: str
    ) -> Condition:
        old = known.get(name)
        if old is not None and _content(old) == (status, reason, message, generation):
            return old
        moved = old is None or old.status != status
        return Condition(
            type=name,
            status=status,
            reason=reason,
            message=message,
            last_transition_time=now if moved or old is None else old.last_transition_time,
            observed_generation=generation,
        )

    result = [
        condition(name, "True" if name in true else "False", state.reason, state.message)
        for name in types
    ]
    verdicts = [r for r in records if r.id.endswith(f"/{StageKind.VERDICT}") and r.committed]
    if verdicts and (alarms := int(verdicts[-1].counts.get("alarms", 0))):
        message = _alarm_message(verdicts[-1], alarms)
        result.append(condition("Degrading", "True", Reason.GUARD_ALARM, message))
    failed = [(r.id, r.failure) for r in records if r.failure is not None]
    if failed:
        stage, failure = failed[-1]
        message = f"{stage}: {failure.message}; the run goes on without these figures"
        result.append(condition("Evaluated", "False", failure.reason, message))
    return tuple(result)


def _content(one: Condition) -> tuple[str, str, str, int]:
    return one.status, one.reason, one.message, one.observed_generation


def _alarm_message(verdict: StageRecord, alarms: int) -> str:
    place = int(verdict.counts.get("alarmRule", -1))
    # A verdict of a newer version may name a rule that this version does not have.
    rule = GUARD_RULE_NAMES[place] if 0 <= place < len(GUARD_RULE_NAMES) else "a guard"
    more = f" and {alarms - 1} more" if alarms > 1 else ""
    return f"M({iteration_of(verdict.id)}): {rule}{more}; the report has the figures"
