"""Which attempts stop: all of a suspended or ended run, and those whose key left the plan.

An attempt continues through an edit of the spec if its key stays in the plan. Until prepare has
committed for the edited spec, the later keys are unknown, so running attempts continue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from isheep.planner.types import Attempt, AttemptState, Stop
from isheep.planner.walk import Walk


def stop_all(attempts: Iterable[Attempt], reason: str) -> list[Stop]:
    """Return the stops of all active attempts."""
    return [Stop(a.name, reason) for a in attempts if a.state is AttemptState.ACTIVE]


def stop_departed(attempts: Iterable[Attempt], walked: Walk, *, prepared: bool) -> list[Stop]:
    """Return the stops of attempts whose key is not in the plan or is already committed."""
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
