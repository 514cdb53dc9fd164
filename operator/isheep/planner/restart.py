"""Why a run is taken up again: a new generation, or the annotation `isheep.dev/retry`.

A run that is Complete or Failed stays so, whatever else changes, until one of the
two does. The annotation's value means nothing but that it is a new one. It retries a
Stalled or Failed run from its last commit; at any other time it is only noted, so
that it does not go off by surprise at the next failure. Either way every stage's
failures are forgotten, because what caused them may be mended; what is committed is not.
"""

from __future__ import annotations

from isheep.api.run import RETRY_ANNOTATION
from isheep.api.status import SelfAlignmentRunStatus, StageRecord
from isheep.planner.types import RunView


def is_new_generation(run: RunView) -> bool:
    """Whether the status is about an older generation, or there is none yet."""
    return run.status.observed_generation != run.generation


def is_retried(run: RunView) -> bool:
    """Whether a Stalled or Failed run is asked to try again."""
    asked = _asked(run)
    return _holds(run.status, "Stalled") and asked not in (None, run.status.last_handled_retry)


def is_over(run: RunView) -> bool:
    """Whether the run has ended for its generation and nobody asks for more."""
    return ended(run.status) and not is_new_generation(run) and not is_retried(run)


def ended(status: SelfAlignmentRunStatus) -> bool:
    """Whether a status says Complete or Failed."""
    return _holds(status, "Complete", "Failed")


def handled(run: RunView) -> str | None:
    """Return the annotation's value to note as seen."""
    return _asked(run) or run.status.last_handled_retry


def takes_new_image(run: RunView) -> bool:
    """Whether the installation's present worker image is taken: see `pinning`."""
    return is_retried(run) or (is_new_generation(run) and _holds(run.status, "Failed"))


def restarts_clock(run: RunView) -> bool:
    """Whether `activeDeadlineSeconds` are counted anew: see `deadline`."""
    return is_retried(run) or (is_new_generation(run) and ended(run.status))


def records(run: RunView) -> list[StageRecord]:
    """Return the stages' records, without their failures where the run is taken up again."""
    if not (is_new_generation(run) or is_retried(run)):
        return list(run.status.stages)
    clean = {"failures": 0, "memory_reduction": 0, "hold": None}
    return [record.model_copy(update=clean) for record in run.status.stages]


def _holds(status: SelfAlignmentRunStatus, *types: str) -> bool:
    return any(c.type in types and c.status == "True" for c in status.conditions)


def _asked(run: RunView) -> str | None:
    value = run.annotations.get(RETRY_ANNOTATION)
    return value[:256] if value else None
