"""Cleanup: which finished attempts can be deleted without losing information.

An attempt is deleted only if the stored status already contains its end, and each stage that it has
reported: while it worked, in a result, or as the frontier of its walk. The status that this plan is
about to write may never be stored. The last attempt of a stage that is not committed stays, because
its logs show the cause, unless its pods would continue without their worker. A failed attempt with
a walk stays until a later attempt of its walk has ended, or until no stage that it may have reached
waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.stage_ids import iteration_of
from isheep.planner.types import Attempt, AttemptState, Remove, StageRef
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, kind_of

_FINISHED = (AttemptState.SUCCEEDED, AttemptState.FAILED)
_NO_NEWS: Mapping[str, Collection[StageRef]] = MappingProxyType({})


def removals(
    attempts: Iterable[Attempt],
    status: SelfAlignmentRunStatus,
    planned: Collection[StageRef] | None,
    news: Mapping[str, Collection[StageRef]] = _NO_NEWS,
) -> list[Remove]:
    """Return the attempts to remove.

    Args:
        attempts: The attempts of the run.
        status: The stored status.
        planned: The stages of the plan, or None until prepare has committed.
        news: The stages that this plan has committed, by the name of the attempt that reports them.
    """
    attempts = list(attempts)
    records = {StageRef(r.id, r.key): r for r in status.stages}
    stored = {ref for ref, record in records.items() if record.committed}

    def are_stored(reported: Iterable[StageRef]) -> bool:
        """Return whether the stored status has the reported stages of the plan."""
        return stored.issuperset(set(reported).intersection(planned or ()))

    def is_recorded(attempt: Attempt) -> bool:
        if not are_stored(news.get(attempt.name, ())):
            return False
        if planned is not None and not any(step in planned for step in attempt.steps):
            return True
        if attempt.walk is not None and attempt.state is AttemptState.FAILED:
            ended = records.get(attempt.steps[0])
            is_stored = ended is not None and ended.attempts >= attempt.number
            return is_stored and (
                attempt.lingers or _has_successor(attempt, attempts) or not _waits(attempt, status)
            )
        if not are_stored(StageRef(step.id, step.key) for step in attempt.result_steps):
            return False
        known = [records.get(step) for step in attempt.steps]
        return all(
            record is not None
            and (record.committed or record.attempts + attempt.lingers > attempt.number)
            for record in known
        )

    return [Remove(a.name) for a in attempts if a.state in _FINISHED and is_recorded(a)]


def _has_successor(attempt: Attempt, attempts: Iterable[Attempt]) -> bool:
    """Return whether a later attempt of the same walk has ended."""
    return any(
        other.walk is not None
        and attempt.walk is not None
        and (other.walk.claim == attempt.walk.claim or other.walk.grouping == "Run")
        and (other.created, other.number) > (attempt.created, attempt.number)
        for other in attempts
        if other.state in _FINISHED
    )


def _waits(attempt: Attempt, status: SelfAlignmentRunStatus) -> bool:
    """Return whether a stage that the attempt's walk may have reached is not committed."""
    if attempt.walk is not None and attempt.walk.grouping == "Run":
        return any(not record.committed for record in status.stages)
    iteration = iteration_of(attempt.steps[0].id)
    return any(
        not record.committed
        and iteration_of(record.id) == iteration
        and STAGE_DEFINITIONS[kind_of(record.id)].role is not None
        for record in status.stages
    )
