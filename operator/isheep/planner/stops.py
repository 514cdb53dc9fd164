"""Which attempts are stopped: all of a run that is suspended or over, and what left the plan.

A key that stays in the plan keeps its attempt running through an edit of the spec.
While prepare has yet to say what the edited spec means, nobody knows which keys stay,
and what is at work goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from isheep.planner.types import Attempt, AttemptState, Stop
from isheep.planner.walk import Walk


def stop_all(attempts: Iterable[Attempt], reason: str) -> list[Stop]:
    """Return the stops of all active attempts."""
    return [Stop(a.name, reason) for a in attempts if a.state is AttemptState.ACTIVE]


def stop_departed(attempts: Iterable[Attempt], walked: Walk, *, prepared: bool) -> list[Stop]:
    """Return the stops of attempts that have no place in the plan, or no work left in it."""
    active = (a for a in attempts if a.state is AttemptState.ACTIVE)
    return [
        Stop(attempt.name, "its stage left the plan")
        for attempt in active
        if not _has_place(attempt, walked.keys, walked.results, prepared)
    ]


def _has_place(
    attempt: Attempt,
    keys: Mapping[str, str],
    results: Mapping[str, object],
    prepared: bool,
) -> bool:
    if not prepared and all(step.id != "prepare" for step in attempt.steps):
        return True
    if any(keys.get(step.id) != step.key for step in attempt.steps):
        return False
    return any(step.id not in results for step in attempt.steps)
