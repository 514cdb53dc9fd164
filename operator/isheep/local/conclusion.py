"""When `isheep run` is at its end, and with which exit code.

A cluster waits for ever where a Secret is missing; a person at a terminal does not.
So what is Stalled there ends the command here, with the cause and the code that
says whose turn it is. The same command goes on afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from isheep.api.status import Condition, SelfAlignmentRunStatus
from isheep.contract.exit_codes import ExitCode
from isheep.contract.reasons import Reason

End = Literal["Succeeded", "Failed", "Stalled", "Suspended", "Stopped"]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How `isheep run` ends."""

    end: End
    exit_code: ExitCode
    message: str


_EXIT_CODES: Mapping[str, ExitCode] = {
    Reason.INVALID_SPEC: ExitCode.BAD_INPUT,
    Reason.INVALID_INPUT: ExitCode.BAD_INPUT,
    Reason.NO_STORAGE: ExitCode.BAD_INPUT,
    Reason.FOLDER_STORAGE: ExitCode.BAD_INPUT,
    Reason.CONFIG_MAP_NOT_FOUND: ExitCode.BAD_INPUT,
    Reason.DEADLINE_EXCEEDED: ExitCode.BAD_INPUT,
    "KeepRateTooLow": ExitCode.BAD_INPUT,
    "TooFewSamples": ExitCode.BAD_INPUT,
    Reason.STORE_UNREACHABLE: ExitCode.UNREACHABLE,
    Reason.PREPARE_OVERDUE: ExitCode.UNREACHABLE,
    Reason.DISK_OR_IO: ExitCode.DISK,
    Reason.OUT_OF_MEMORY: ExitCode.DEVICE_MEMORY,
    Reason.DEFECT: ExitCode.DEFECT,
    Reason.RETRIES_EXCEEDED: ExitCode.DEFECT,
}
"""Codes of the planner's and the recipes' reasons; a worker's own come with its code."""


def conclusion_of(
    status: SelfAlignmentRunStatus, generation: int, worker_code: int | None = None
) -> Conclusion | None:
    """Return how the run has ended in this generation, or None while there is work.

    `worker_code` is the exit code of the last worker that failed.
    """
    if status.observed_generation != generation:
        return None
    conditions = {c.type: c for c in status.conditions if c.status == "True"}
    if "Complete" in conditions:
        return Conclusion("Succeeded", ExitCode.DONE, conditions["Complete"].message)
    if "Failed" in conditions:
        return _broken("Failed", conditions["Failed"], worker_code)
    if "Stalled" in conditions:
        return _broken("Stalled", conditions["Stalled"], worker_code)
    if "Suspended" in conditions:
        return Conclusion("Suspended", ExitCode.DONE, conditions["Suspended"].message)
    return None


def _broken(end: End, condition: Condition, worker_code: int | None) -> Conclusion:
    code = _EXIT_CODES.get(condition.reason) or _known(worker_code)
    return Conclusion(end, code, f"{condition.reason}: {condition.message}")


def _known(code: int | None) -> ExitCode:
    return ExitCode(code) if code in set(ExitCode) and code else ExitCode.DEFECT
