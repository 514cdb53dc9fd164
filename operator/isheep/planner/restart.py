"""When a run that has ended starts again: after an edit, or by the annotation `isheep.dev/retry`.

A run that is Complete or Failed stays so until its generation or its retry annotation changes.
Only a new value of the annotation has an effect. A new value retries a Stalled or Failed run from
its last commit, and the failed measurements of a Complete run. At any other time the operator only
records the value in the status, so that the annotation does not cause a retry at a later failure,
and an Event says that there is nothing to retry.
An edit and a retry both reset the failures of every stage, because the cause may be fixed.
Committed stages stay committed.
"""

from __future__ import annotations

from isheep.api.run import RETRY_ANNOTATION
from isheep.api.status import SelfAlignmentRunStatus, StageRecord
from isheep.planner.types import RunView

RETRY_CHARACTERS = 256
"""The status keeps this many characters of the annotation's value."""


def is_new_generation(run: RunView) -> bool:
    """Return whether the status describes an older generation, or there is no status yet."""
    return run.status.observed_generation != run.generation


def is_retried(run: RunView) -> bool:
    """Return whether the annotation asks a run to retry, and the run can do it."""
    asked = _asked(run)
    return can_be_retried(run.status) and asked not in (None, run.status.last_handled_retry)


def can_be_retried(status: SelfAlignmentRunStatus) -> bool:
    """Return whether a run is Stalled or Failed, or is Complete without a measurement."""
    is_measured = not any(c.type == "Evaluated" and c.status == "False" for c in status.conditions)
    return _holds(status, "Stalled") or (_holds(status, "Complete") and not is_measured)


def is_over(run: RunView) -> bool:
    """Return whether the run has ended for its generation and no retry is pending."""
    return ended(run.status) and not is_new_generation(run) and not is_retried(run)


def ended(status: SelfAlignmentRunStatus) -> bool:
    """Return whether the condition Complete or Failed is true."""
    return _holds(status, "Complete", "Failed")


def handled(run: RunView) -> str | None:
    """Return the value of the annotation to record as `lastHandledRetry`."""
    return _asked(run) or run.status.last_handled_retry


def retries_nothing(before: SelfAlignmentRunStatus, after: SelfAlignmentRunStatus) -> bool:
    """Return whether a new status handles an annotation although there is nothing to retry.

    An annotation that a new run already has is not for anything that has happened.
    """
    handles = after.last_handled_retry not in (None, before.last_handled_retry)
    return handles and before.phase is not None and not can_be_retried(before)


def takes_new_image(run: RunView) -> bool:
    """Return whether the run uses the installation's current worker image: see `pinning`."""
    return is_retried(run) or (is_new_generation(run) and _holds(run.status, "Failed"))


def restarts_clock(run: RunView) -> bool:
    """Return whether `activeDeadlineSeconds` start again: see `deadline`."""
    return is_retried(run) or (is_new_generation(run) and ended(run.status))


def records(run: RunView) -> list[StageRecord]:
    """Return the stages' records; their failures are reset if the run starts again."""
    if not (is_new_generation(run) or is_retried(run)):
        return list(run.status.stages)
    clean = {"failures": 0, "memory_reduction": 0, "hold": None, "failure": None}
    return [record.model_copy(update=clean) for record in run.status.stages]


def _holds(status: SelfAlignmentRunStatus, *types: str) -> bool:
    return any(c.type in types and c.status == "True" for c in status.conditions)


def _asked(run: RunView) -> str | None:
    value = run.annotations.get(RETRY_ANNOTATION)
    return value[:RETRY_CHARACTERS] if value else None
