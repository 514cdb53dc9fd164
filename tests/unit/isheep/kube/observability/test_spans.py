"""Spans: which ends of attempts make one, its times, and ids that do not change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from isheep.api.status import Condition, Failure, SelfAlignmentRunStatus, StageRecord
from isheep.contract.order import Outcome, StageResult, StepResult
from isheep.kube.observability.spans import Span, root_id, spans, trace_id
from isheep.planner.types import Attempt, AttemptState, JobWalk, RunView, StageRef

from ...planner.simulation import make_run

START = make_run().created
KEY = "k" * 64


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def a_record(stage: str = "i1/train", **fields: Any) -> StageRecord:
    return StageRecord(**{"id": stage, "key": KEY, **fields})


def a_status(*records: StageRecord, **fields: Any) -> SelfAlignmentRunStatus:
    return SelfAlignmentRunStatus(stages=records, **fields)


def an_attempt(stage: str = "i1/train", **fields: Any) -> Attempt:
    known: dict[str, Any] = {
        "name": "run-train-a",
        "steps": (StageRef(stage, KEY),),
        "number": 1,
        "state": AttemptState.SUCCEEDED,
        "created": after(10),
        "started": after(25),
        "finished": after(100),
    }
    return Attempt(**{**known, **fields})


def made(
    before: SelfAlignmentRunStatus,
    new: SelfAlignmentRunStatus,
    *attempts: Attempt,
    ends: dict[str, datetime] | None = None,
) -> list[Span]:
    run: RunView = replace(make_run(), status=before)
    return list(spans(run, new, attempts, after(105), ends or {}))


COMMITTED = a_record(attempts=1, committed=True, counts={"steps": 40.0})


def test_a_commit_makes_a_span_with_the_times_of_the_pods() -> None:
    (span,) = made(a_status(), a_status(COMMITTED), an_attempt(gpus={"nvidia.com/gpu": 2}))
    assert (span.name, span.start, span.end) == ("train", after(25), after(100))
    assert (span.trace_id, span.parent_id) == (trace_id("uid-1"), root_id("uid-1"))
    assert span.error is None
    assert span.attributes == {
        "k8s.namespace.name": "ns",
        "isheep.run": "run",
        "isheep.run.uid": "uid-1",
        "k8s.job.name": "run-train-a",
        "isheep.stage": "i1/train",
        "isheep.iteration": 1,
        "isheep.key": KEY,
        "isheep.attempt": 1,
        "isheep.outcome": "committed",
        "isheep.pods.wait_seconds": 15.0,
        "isheep.gpus.nvidia.com/gpu": 2,
        "isheep.counts.steps": 40.0,
    }


@pytest.mark.parametrize(
    ("before", "new"),
    [
        (a_status(COMMITTED), a_status(COMMITTED)),
        (a_status(), a_status(a_record(attempts=0, committed=True))),
        (a_status(), a_status(a_record())),
        (
            a_status(a_record(attempts=1, failures=1)),
            a_status(a_record(attempts=1, failures=1, memory_reduction=1)),
        ),
    ],
    ids=["known before", "found committed", "not ended", "another field"],
)
def test_nothing_else_makes_a_span(
    before: SelfAlignmentRunStatus, new: SelfAlignmentRunStatus
) -> None:
    assert made(before, new, an_attempt()) == []


def test_each_attempt_has_its_own_id_and_the_same_one_again() -> None:
    def span_of(number: int, uid: str = "uid-1") -> Span:
        record = a_record(attempts=number, committed=True)
        run = replace(make_run(), uid=uid)
        (span,) = spans(run, a_status(record), [an_attempt(number=number)], after(105), {})
        return span

    assert span_of(1) == span_of(1)
    found = {span_of(1).span_id, span_of(2).span_id, span_of(1, "uid-2").span_id}
    assert len(found) == 3
    assert span_of(1).trace_id != span_of(1, "uid-2").trace_id
    assert all(0 < span_of(1).span_id < 2**64 for _ in range(1))
    assert 0 < span_of(1).trace_id < 2**128


def test_a_failed_attempt_makes_a_span_with_its_reason() -> None:
    failure = Failure(stage="i1/train", reason="DiskFailed", message="no space", pod="p")
    new = a_status(a_record(attempts=1, failures=1), last_failure=failure)
    (span,) = made(a_status(), new, an_attempt(state=AttemptState.FAILED))
    assert span.error == "DiskFailed: no space"
    assert span.attributes["isheep.outcome"] == "failed"


def test_an_attempt_that_a_suspension_stops_has_not_failed() -> None:
    earlier = Failure(stage="i1/train", reason="DiskFailed", message="no space", pod="p")
    before = a_status(a_record(attempts=1, failures=1), last_failure=earlier)
    new = a_status(a_record(attempts=2, failures=1), last_failure=earlier)
    stopped = an_attempt(number=2, state=AttemptState.ACTIVE, finished=None)
    (span,) = made(before, new, stopped)
    assert (span.error, span.attributes["isheep.outcome"]) == (None, "stopped")


def test_an_attempt_whose_job_is_gone_makes_no_span() -> None:
    assert made(a_status(), a_status(COMMITTED)) == []


def test_the_stages_of_a_walk_follow_each_other() -> None:
    names = ("i1/generate/r1", "i1/curate/r1", "i1/respond")
    steps = tuple(StepResult(id=name, key=KEY) for name in names)
    walk = an_attempt(
        names[0],
        name="run-generate-a",
        state=AttemptState.ACTIVE,
        finished=None,
        walk=JobWalk("PerRole", KEY, "digest"),
        committed=steps[:2],
    )
    new = a_status(*(a_record(name, attempts=1, committed=True) for name in names[:2]))
    first, second = made(a_status(), new, walk)
    assert (first.start, first.end) == (after(25), after(105))
    assert (second.name, second.start, second.end) == ("curate", after(105), after(105))
    result = StageResult(outcome=Outcome.COMMITTED, steps=steps)
    ended = replace(walk, state=AttemptState.SUCCEEDED, finished=after(200), results=(result,))
    newer = a_status(*new.stages, a_record(names[2], attempts=1, committed=True))
    (third,) = made(new, newer, ended, ends={"run-generate-a": after(105)})
    assert (third.name, third.start, third.end) == ("respond", after(105), after(200))


@pytest.mark.parametrize(("phase", "error"), [("Succeeded", None), ("Failed", "Defect: a bug")])
def test_the_end_of_a_run_makes_the_span_that_contains_the_others(
    phase: Any, error: str | None
) -> None:
    ready = Condition(
        type="Ready",
        status="False",
        reason="Defect",
        message="a bug",
        last_transition_time=after(300),
        observed_generation=1,
    )
    new = a_status(
        phase=phase,
        start_time=after(5),
        completion_time=after(300),
        conditions=(ready,),
    )
    (span,) = made(a_status(phase="Running"), new)
    assert (span.span_id, span.parent_id) == (root_id("uid-1"), None)
    assert (span.name, span.start, span.end) == ("run", after(5), after(300))
    assert span.error == error
    assert made(new, new) == []
