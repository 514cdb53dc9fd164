"""Cleanup: which finished attempts can be deleted without losing information.

An attempt is deleted only if the stored status already contains its end. The status that this
plan is about to write may never be stored. The last attempt of a stage that is not committed
stays, because its logs show the cause.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from isheep.api.status import SelfAlignmentRunStatus
from isheep.planner.types import Attempt, AttemptState, Remove, StageRef

_FINISHED = (AttemptState.SUCCEEDED, AttemptState.FAILED)


def removals(
    attempts: Iterable[Attempt],
    status: SelfAlignmentRunStatus,
    planned: Collection[StageRef] | None,
) -> list[Remove]:
    """Return the attempts to remove; `planned` is None until prepare has committed."""
    records = {StageRef(r.id, r.key): r for r in status.stages}

    def is_recorded(attempt: Attempt) -> bool:
        if planned is not None and not any(step in planned for step in attempt.steps):
            return True
        known = [records.get(step) for step in attempt.steps]
        return all(
            record is not None and (record.committed or record.attempts > attempt.number)
            for record in known
        )

    return [Remove(a.name) for a in attempts if a.state in _FINISHED and is_recorded(a)]
