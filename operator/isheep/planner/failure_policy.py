"""What follows from the end of an attempt that did not commit: one pure table.

The exit code says whose fault it was. Bad input is final, except in prepare, whose
inputs are outside of the spec and may come to exist. What is unreachable comes back:
the run waits, Stalled, and tries again at growing distances. A worker's own defect
repeats itself: final. A full disk, and whatever has no code, is tried again a few
times. A full device gets smaller batches. What was ended from outside was nobody's
fault and counts as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from isheep.contract.exit_codes import ExitCode
from isheep.contract.reasons import Reason
from isheep.recipes.interface import StageKind

STALLED_SCHEDULE = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 30))
"""The waits between tries while Stalled; the last one repeats."""
RETRY_SCHEDULE = tuple(timedelta(seconds=s) for s in (10, 40, 160))
"""The waits before counted retries; one more failure ends the run."""
DISRUPTION_DELAY = timedelta(seconds=10)
"""Attempts that are ended from outside at once, again and again, must not spin."""
MAX_MEMORY_REDUCTIONS = 3
NO_DELAY = timedelta()


class FailureAction(Enum):
    """What becomes of a stage whose attempt did not commit."""

    RETRY = "Retry"
    STALL = "Stall"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, and what had happened to its stage before.

    `exit_code` 0 stands for an attempt that says it is done and has left no commit.
    `overdue` tells that prepare ran into its deadline; `stalls` is how often in a row
    the stage was Stalled; `reason` is the worker's own word.
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
    """What to do: a retry may be counted as a failure, or ask for smaller batches."""

    act: FailureAction
    reason: str
    delay: timedelta = NO_DELAY
    counted: bool = False
    reduce_memory: bool = False


def decide(ending: Ending) -> FailureDecision:
    """Return what follows from an ending."""
    if ending.overdue:
        return _stall(ending, Reason.PREPARE_OVERDUE)
    if ending.disrupted or ending.exit_code == ExitCode.STOPPED:
        return FailureDecision(FailureAction.RETRY, Reason.DISRUPTED, DISRUPTION_DELAY)
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
            return _smaller(ending)
        case _:
            return _retry(ending, Reason.RETRIES_EXCEEDED)


def _bad_input(ending: Ending) -> FailureDecision:
    if ending.kind is StageKind.PREPARE:
        return _stall(ending, Reason.INVALID_INPUT)
    return FailureDecision(FailureAction.FAIL, ending.reason or Reason.INVALID_INPUT)


def _smaller(ending: Ending) -> FailureDecision:
    if ending.memory_reduction >= MAX_MEMORY_REDUCTIONS:
        return FailureDecision(FailureAction.FAIL, Reason.OUT_OF_MEMORY)
    return FailureDecision(FailureAction.RETRY, Reason.RETRYING, reduce_memory=True)


def _stall(ending: Ending, reason: Reason) -> FailureDecision:
    last = len(STALLED_SCHEDULE) - 1
    # What ran into its deadline was killed for it: a word of its own says less.
    word = reason if ending.overdue else ending.reason or reason
    return FailureDecision(FailureAction.STALL, word, STALLED_SCHEDULE[min(ending.stalls, last)])


def _retry(ending: Ending, at_last: str) -> FailureDecision:
    if ending.failures >= len(RETRY_SCHEDULE):
        return FailureDecision(FailureAction.FAIL, at_last)
    return FailureDecision(
        FailureAction.RETRY, Reason.RETRYING, RETRY_SCHEDULE[ending.failures], counted=True
    )
