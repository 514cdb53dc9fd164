"""What pods report, without what a status or a metric cannot show. Pure.

A user can run any image in a pod, so a report of the right form may still contain anything: numbers
that are not finite, which no JSON of an API server can contain, characters that a terminal obeys,
and reasons without end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from isheep.contract.order import Frontier, StageResult, StepResult, parse_result

_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_NOT_SHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, except tab and newline, marks of the direction, and halves of characters."""
_CODES = range(256)


def shown(text: str) -> str:
    """Return a text of a pod or of another program with `?` for what a status must not show."""
    return _NOT_SHOWN.sub("?", text)


def read_result(text: str) -> StageResult | None:
    """Return the result in a termination message, or None if the message is something else."""
    found = parse_result(text)
    if found is None or found.exit_code not in _CODES:
        return None
    known = found.reason is not None and _REASON.fullmatch(found.reason)
    return found.model_copy(
        update={
            "reason": found.reason if known else None,
            "message": None if found.message is None else shown(found.message),
            "steps": finite_steps(found.steps),
            "frontier": None if found.frontier is None else _finite_frontier(found.frontier),
        }
    )


def finite_steps(steps: Iterable[StepResult]) -> tuple[StepResult, ...]:
    """Return the steps without statistics that are not finite."""
    return tuple(_finite(step) for step in steps)


def _finite(step: StepResult) -> StepResult:
    if all(map(math.isfinite, step.statistics.values())):
        return step
    finite = {name: value for name, value in step.statistics.items() if math.isfinite(value)}
    return step.model_copy(update={"statistics": finite})


def _finite_frontier(frontier: Frontier) -> Frontier:
    """Return a frontier in which a number that is not finite was not measured."""
    statistics = {
        stage: tuple(v if v is None or math.isfinite(v) else None for v in values)
        for stage, values in frontier.statistics.items()
    }
    return frontier.model_copy(update={"statistics": statistics})
