"""Which finished attempts are removed, so that nothing is lost by it.

An attempt is removed only when its end stands in the status that this plan was shown:
what the plan itself is about to write may be lost on the way. The last attempt at a
stage that is not committed stays, with its logs, for whoever wants to know why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from isheep.api.status import SelfAlignmentRunStatus
from isheep.planner.types import Attempt, AttemptState, Remove, StageRef

_FINISHED = (AttemptState.SUCCEEDED, AttemptState.FAILED)


def forget(
    attempts: Iterable[Attempt],
    status: SelfAlignmentRunStatus,
    planned: Collection[StageRef] | None,
) -> list[Remove]:
    """Return the attempts to remove; `planned` is None while the plan is not known."""
    records = {StageRef(r.id, r.key): r for r in status.stages}

    def done_with(attempt: Attempt) -> bool:
        if planned is not None and not any(step in planned for step in attempt.steps):
            return True
        known = [records.get(step) for step in attempt.steps]
        return all(
            record is not None and (record.committed or record.attempts > attempt.number)
            for record in known
        )

    return [Remove(a.name) for a in attempts if a.state in _FINISHED and done_with(a)]
