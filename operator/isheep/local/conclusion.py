"""When `isheep run` ends, and its exit code.

A cluster waits if a Secret is missing, but a person at a terminal does not. So a stalled run ends
the command, with the cause and the exit code that names who must act. The same command later
resumes the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from isheep.api.status import Condition, SelfAlignmentRunStatus
from isheep.contract.exit_codes import ExitCode
from isheep.contract.explanation import Explanation
from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.reasons import Reason

End = Literal["Succeeded", "Failed", "Stalled", "Suspended", "Stopped", "Paused"]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How `isheep run` ends; `remedy` says what to do about a cause, and may be empty.

    `reason` is that of a condition, "" if there is none.
    """

    end: End
    exit_code: ExitCode
    message: str
    remedy: str = ""
    reason: str = ""


def conclusion_of(
    status: SelfAlignmentRunStatus, generation: int, worker_code: int | None = None
) -> Conclusion | None:
    """Return how the run has ended in this generation, or None if it has not ended.

    `worker_code` is the exit code of the last worker that failed.
    """
    if status.observed_generation != generation:
        return None
    conditions = {c.type: c for c in status.conditions if c.status == "True"}
    if "Complete" in conditions:
        return Conclusion("Succeeded", ExitCode.DONE, conditions["Complete"].message)
    if "Failed" in conditions:
        return _unsuccessful("Failed", conditions["Failed"], worker_code)
    if "Stalled" in conditions:
        return _unsuccessful("Stalled", conditions["Stalled"], worker_code)
    if "Suspended" in conditions:
        return Conclusion("Suspended", ExitCode.DONE, conditions["Suspended"].message)
    return None


def _unsuccessful(end: End, condition: Condition, worker_code: int | None) -> Conclusion:
    known = _explanation(condition.reason)
    code = (known.exit_code if known else None) or _code_of_worker(worker_code)
    message = f"{condition.reason}: {condition.message}"
    remedy = known.remedy if known else ""
    return Conclusion(end, code, message, remedy, condition.reason)


def _explanation(reason: str) -> Explanation | None:
    """Return what is known about a reason, or None for a reason of a newer version."""
    return EXPLANATIONS[Reason(reason)] if reason in set(Reason) else None


def _code_of_worker(code: int | None) -> ExitCode:
    """Return a worker's exit code, or `DEFECT` for a code that is not in the list."""
    return ExitCode(code) if code in set(ExitCode) and code else ExitCode.DEFECT
