"""A finished attempt is removed only after the stored status has all that it has reported."""

from __future__ import annotations

import pytest

from isheep.api.status import SelfAlignmentRunStatus, StageRecord
from isheep.contract.order import Outcome, StageResult, StepResult
from isheep.planner.cleanup import removals
from isheep.planner.types import Attempt, AttemptState, JobWalk, StageRef

from .simulation import START

FIRST, LATER = StageRef("i1/generate/r1", "first"), StageRef("i1/respond", "later")


@pytest.mark.parametrize(("stored", "removed"), [(True, 1), (False, 0)])
def test_the_later_stages_of_a_walk_are_stored_before_its_job_is_removed(
    stored: bool, removed: int
) -> None:
    """Its progress has reported the first stage, and its end reports both."""
    steps = tuple(StepResult(id=ref.id, key=ref.key) for ref in (FIRST, LATER))
    attempt = Attempt(
        "job",
        (FIRST,),
        1,
        AttemptState.SUCCEEDED,
        START,
        results=(StageResult(outcome=Outcome.COMMITTED, steps=steps),),
        walk=JobWalk("PerRole", "first", "digest"),
    )
    records = [(FIRST, True), (LATER, stored)]
    status = SelfAlignmentRunStatus(
        stages=tuple(StageRecord(id=r.id, key=r.key, committed=c) for r, c in records)
    )
    assert len(removals([attempt], status, {FIRST, LATER})) == removed


@pytest.mark.parametrize("planned", [{FIRST, LATER}, {LATER}])
@pytest.mark.parametrize("state", [AttemptState.SUCCEEDED, AttemptState.FAILED])
@pytest.mark.parametrize(("stored", "removed"), [(True, 1), (False, 0)])
def test_a_stage_that_only_the_progress_has_reported_is_stored_before_the_job_is_removed(
    planned: set[StageRef], state: AttemptState, stored: bool, removed: int
) -> None:
    """The message of its last pod is lost, and an edit may have replaced its first stage."""
    walk = JobWalk("PerRole", "first", "digest")
    attempt = Attempt("job", (FIRST,), 1, state, START, walk=walk)
    records = [StageRecord(id=FIRST.id, key=FIRST.key, attempts=1, committed=True)]
    if stored:
        records.append(StageRecord(id=LATER.id, key=LATER.key, committed=True))
    status = SelfAlignmentRunStatus(stages=tuple(records))
    assert len(removals([attempt], status, planned, {"job": {LATER}})) == removed


def test_a_stage_that_left_the_plan_keeps_no_job() -> None:
    attempt = Attempt("job", (FIRST,), 1, AttemptState.SUCCEEDED, START)
    assert len(removals([attempt], SelfAlignmentRunStatus(), {LATER}, {"job": {FIRST}})) == 1
