"""Failed attempts that a status adds: once each, by the kind of their stage."""

from __future__ import annotations

from isheep.api.status import Failure, SelfAlignmentRunStatus, StageRecord
from isheep.kube.observability.attempt_failures import UNKNOWN, new_failures


def status(
    *stages: tuple[str, str, int], last: tuple[str, str] | None = None
) -> SelfAlignmentRunStatus:
    """Return a status with stages as id, key and failures, and with the last failure."""
    return SelfAlignmentRunStatus(
        stages=tuple(StageRecord(id=i, key=k, attempts=n, failures=n) for i, k, n in stages),
        last_failure=Failure(stage=last[0], reason=last[1]) if last is not None else None,
    )


def test_only_added_failures_count() -> None:
    before = status(("prepare", "a", 1), ("i1/train", "b", 1), last=("i1/train", "OutOfMemory"))
    after = status(("prepare", "a", 1), ("i1/train", "b", 3), last=("i1/train", "OutOfMemory"))
    assert list(new_failures(before, after)) == [("train", "OutOfMemory", 2)]
    assert list(new_failures(after, after)) == []


def test_an_edited_stage_begins_again() -> None:
    before = status(("i1/train", "old", 3))
    after = status(("i1/train", "new", 1), last=("i1/train", "Defect"))
    assert list(new_failures(before, after)) == [("train", "Defect", 1)]
    reset = status(("i1/train", "old", 0))
    assert list(new_failures(before, reset)) == []


def test_the_reason_is_that_of_the_last_failure_of_the_same_stage() -> None:
    after = status(("i1/respond", "a", 1), ("i1/assess", "b", 1), last=("i1/assess", "Killed"))
    found = list(new_failures(status(), after))
    assert found == [("respond", UNKNOWN, 1), ("assess", "Killed", 1)]


def test_a_reason_that_nobody_knows_makes_no_series_of_its_own() -> None:
    after = status(("i1/respond", "a", 1), last=("i1/respond", "Invented7"))
    assert list(new_failures(status(), after)) == [("respond", UNKNOWN, 1)]
