"""The failure policy: what happens after an attempt ended without a commit. One pure table.

The exit code decides:

- bad input ends the run, except in prepare: prepare's inputs are outside of the spec and may
  appear later, so the run is Stalled. In any stage the run is Stalled if somebody else can remove
  the cause, such as a credential that the store does not accept;
- an unreachable store or source makes the run Stalled, with growing waits;
- a defect ends the run, because the next attempt would fail in the same way;
- a full disk, and any exit without a code of ours, is retried a few times;
- exhausted device memory is retried with smaller batches;
- a disruption from outside is retried and does not count as a failure.

`retry_schedule` holds the waits and the limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from isheep.contract.exit_codes import ExitCode
from isheep.contract.explanation import ReasonGroup
from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.reasons import Reason
from isheep.planner import retry_schedule
from isheep.recipes.stage_kinds import StageKind

NO_DELAY = timedelta()
_KNOWN = frozenset(str(reason) for reason in Reason)


class FailureAction(Enum):
    """What happens to a stage whose attempt did not commit."""

    RETRY = "Retry"
    STALL = "Stall"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, and how often its stage failed or waited before.

    `exit_code` 0 means that the attempt reported success but left no commit. `overdue` means that
    prepare or an optional stage exceeded its deadline. `stalls` is the number of waits in a row
    while Stalled. `reason` is the reason in the worker's result.
    """

    kind: StageKind
    exit_code: int | None
    disrupted: bool = False
    overdue: bool = False
    failures: int = 0
    memory_reduction: int = 0
    stalls: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FailureDecision:
    """The action, its wait, and whether it counts as a failure or asks for smaller batches."""

    action: FailureAction
    reason: str
    delay: timedelta = NO_DELAY
    counted: bool = False
    reduce_memory: bool = False


def decide(ending: Ending) -> FailureDecision:
    """Return what happens after an ending."""
    if ending.overdue and ending.kind is not StageKind.PREPARE:
        return FailureDecision(FailureAction.FAIL, Reason.DEADLINE_EXCEEDED)
    if ending.overdue:
        return _stall(ending, Reason.PREPARE_OVERDUE)
    if ending.disrupted or ending.exit_code == ExitCode.STOPPED:
        delay = retry_schedule.DISRUPTION_DELAY
        return FailureDecision(FailureAction.RETRY, Reason.DISRUPTED, delay)
    return _by_exit_code(ending)


def _by_exit_code(ending: Ending) -> FailureDecision:
    match ending.exit_code:
        case ExitCode.BAD_INPUT:
            return _bad_input(ending)
        case ExitCode.UNREACHABLE:
            return _stall(ending, Reason.STORE_UNREACHABLE)
        case ExitCode.DEFECT:
            return FailureDecision(FailureAction.FAIL, ending.reason or Reason.DEFECT)
        case ExitCode.DISK:
            return _retry(ending, ending.reason or Reason.DISK_OR_IO)
        case ExitCode.DEVICE_MEMORY:
            return _reduce_memory(ending)
        case _:
            return _retry(ending, Reason.RETRIES_EXCEEDED)


def _bad_input(ending: Ending) -> FailureDecision:
    if ending.kind is StageKind.PREPARE or _is_outside(ending.reason):
        return _stall(ending, Reason.INVALID_INPUT)
    return FailureDecision(FailureAction.FAIL, ending.reason or Reason.INVALID_INPUT)


def _is_outside(reason: str | None) -> bool:
    """Return whether the cause is always outside of the run; a newer worker's reason is not."""
    explanation = EXPLANATIONS[Reason(reason)] if reason in _KNOWN else None
    return explanation is not None and explanation.groups == (ReasonGroup.STALLED,)


def _reduce_memory(ending: Ending) -> FailureDecision:
    if ending.memory_reduction >= retry_schedule.MAX_MEMORY_REDUCTIONS:
        return FailureDecision(FailureAction.FAIL, Reason.OUT_OF_MEMORY)
    return FailureDecision(FailureAction.RETRY, Reason.RETRYING, reduce_memory=True)


def _stall(ending: Ending, reason: Reason) -> FailureDecision:
    waits = retry_schedule.STALLED_SCHEDULE
    # The deadline killed an overdue worker, so the reason in its result is not the cause.
    shown = reason if ending.overdue else ending.reason or reason
    return FailureDecision(FailureAction.STALL, shown, waits[min(ending.stalls, len(waits) - 1)])


def _retry(ending: Ending, reason_at_the_end: str) -> FailureDecision:
    waits = retry_schedule.RETRY_SCHEDULE
    if ending.failures >= len(waits):
        return FailureDecision(FailureAction.FAIL, reason_at_the_end)
    return FailureDecision(
        FailureAction.RETRY, Reason.RETRYING, waits[ending.failures], counted=True
    )
