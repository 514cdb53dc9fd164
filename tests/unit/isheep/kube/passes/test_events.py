"""Events: which transitions have an Event, its message, and that each transition has one Event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from isheep.api.status import Failure, SelfAlignmentRunStatus, StageRecord
from isheep.kube.passes.events import MESSAGE_CHARACTERS, Note, event_document, transitions
from isheep.planner.conditions import RunPhase, State, conditions

from ...planner.simulation import START, make_run
from ..builders import RUN_UID


def status(
    phase: RunPhase | None = None,
    reason: str = "Running",
    message: str = "",
    *,
    committed: str = "",
    running: str = "",
    failure: Failure | None = None,
) -> SelfAlignmentRunStatus:
    """Return a status; `committed` and `running` are stage ids, with `:key` if needed."""
    stages = [
        StageRecord(id=name.partition(":")[0], key=name.partition(":")[2] or "k", committed=done)
        for done, names in ((True, committed), (False, running))
        for name in names.split()
    ]
    state = None if phase is None else State(phase, reason, message)
    return SelfAlignmentRunStatus(
        phase=None if state is None else state.phase,
        conditions=() if state is None else conditions(state, (), 1, START),
        stages=tuple(stages),
        last_failure=failure,
    )


RUNNING, STALLED = RunPhase.RUNNING, RunPhase.STALLED
FAILURE = Failure(stage="i1/train", pod="run-train-abc-0-x", reason="Retrying", message="it broke")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (status(), status(), []),
        (
            status(),
            status(RunPhase.PENDING, "Pending", "prepare: attempt 1 starts"),
            [("Normal", "Pending", "prepare: attempt 1 starts")],
        ),
        (
            status(RunPhase.PENDING),
            status(RUNNING, "Running", "i1/generate/r1: attempt 1 is running"),
            [("Normal", "Running", "i1/generate/r1: attempt 1 is running")],
        ),
        (status(RUNNING, message="this"), status(RUNNING, message="that"), []),
        (status(RUNNING, "Running"), status(RUNNING, "WaitingForPeer"), []),
        (
            status(RUNNING),
            status(STALLED, "SecretNotFound", 'secret "s3" not found'),
            [("Warning", "SecretNotFound", 'secret "s3" not found')],
        ),
        (
            status(STALLED, "SecretNotFound", "a"),
            status(STALLED, "ImagePullFailed", "b"),
            [("Warning", "ImagePullFailed", "b")],
        ),
        (status(STALLED, "Unschedulable", "0/1"), status(STALLED, "Unschedulable", "0/2"), []),
        (status(STALLED, "Unschedulable"), status(RUNNING), [("Normal", "Running", "Running")]),
        (
            status(RUNNING),
            status(RunPhase.SUSPENDED, "Suspended", "spec.suspend is true"),
            [("Normal", "Suspended", "spec.suspend is true")],
        ),
        (
            status(RUNNING),
            status(RunPhase.FAILED, "Defect", "i1/train: it broke"),
            [("Warning", "Defect", "i1/train: it broke")],
        ),
        (
            status(RUNNING),
            status(RunPhase.SUCCEEDED, "Succeeded", "every stage is committed"),
            [("Normal", "Succeeded", "every stage is committed")],
        ),
    ],
    ids=[
        "no change",
        "first status",
        "running",
        "another message",
        "another reason while running",
        "stalled",
        "stalled for another reason",
        "stalled for the same reason",
        "recovered",
        "suspended",
        "failed",
        "succeeded",
    ],
)
def test_a_change_of_the_phase_or_of_a_stall_has_an_event(
    before: SelfAlignmentRunStatus, after: SelfAlignmentRunStatus, expected: list[tuple[str, ...]]
) -> None:
    assert transitions(before, after) == [Note(*note) for note in expected]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "a b", [("StageCommitted", "a"), ("StageCommitted", "b")]),
        ("a", "a b", [("StageCommitted", "b")]),
        ("a b", "a", []),
        ("a:1", "a:2", [("StageCommitted", "a")]),
        ("", "a b c", [("StageCommitted", n) for n in "abc"]),
        ("", "a b c d", [("StagesFound", "4 stages, up to d, exist already")]),
        ("a", "a b c d e", [("StagesFound", "4 stages, up to e, exist already")]),
    ],
    ids=["two", "one more", "one less", "another key", "three", "four found", "four more found"],
)
def test_commits_have_events(before: str, after: str, expected: list[tuple[str, str]]) -> None:
    notes = transitions(status(committed=before), status(committed=after))
    assert notes == [Note("Normal", *note) for note in expected]


@pytest.mark.parametrize(
    ("phase", "asked", "told"),
    [
        (RunPhase.SUCCEEDED, "now", "a run that is Succeeded: a retry is for a run that"),
        (RunPhase.RUNNING, "now", "a run that is Running: a retry is for a run that"),
        (RunPhase.SUSPENDED, "now", "a run that is Suspended: set spec.suspend to false"),
        (RunPhase.SUCCEEDED, None, None),
        (RunPhase.FAILED, "now", None),
        (RunPhase.STALLED, "now", None),
        (None, "now", None),
    ],
)
def test_a_retry_annotation_without_effect_has_an_event(
    phase: RunPhase | None, asked: str | None, told: str | None
) -> None:
    before = SelfAlignmentRunStatus() if phase is None else status(phase)
    notes = transitions(before, before.model_copy(update={"last_handled_retry": asked}))
    assert [(note.type, note.reason) for note in notes] == (
        [] if told is None else [("Normal", "NothingToRetry")]
    )
    assert all(told is not None and told in note.message for note in notes)


def test_the_commit_of_a_running_stage_has_an_event() -> None:
    notes = transitions(status(running="a"), status(committed="a"))
    assert notes == [Note("Normal", "StageCommitted", "a")]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (FAILURE, "i1/train (run-train-abc-0-x): it broke"),
        (FAILURE.model_copy(update={"pod": None}), "i1/train: it broke"),
    ],
    ids=["with a pod", "without a pod"],
)
def test_a_failure_has_one_event(failure: Failure, message: str) -> None:
    after = status(RUNNING, failure=failure)
    assert transitions(status(RUNNING), after) == [Note("Warning", "Retrying", message)]
    assert transitions(after, after) == []
    assert transitions(after, status(RUNNING)) == []


def test_the_events_of_one_pass_are_in_the_order_of_their_causes() -> None:
    before = status(RUNNING)
    after = status(RunPhase.FAILED, "Defect", "over", committed="a", failure=FAILURE)
    reasons = [note.reason for note in transitions(before, after)]
    assert reasons == ["StageCommitted", "Retrying", "Defect"]


def document(**fields: Any) -> dict[str, Any]:
    note = Note(**{"type": "Warning", "reason": "SecretNotFound", "message": "why", **fields})
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return event_document(note, make_run(uid=RUN_UID), "isheep-operator-7d9f", now)


def test_an_event_is_about_the_run() -> None:
    assert document() == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "run.", "namespace": "ns"},
        "involvedObject": {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "namespace": "ns",
            "name": "run",
            "uid": RUN_UID,
        },
        "type": "Warning",
        "reason": "SecretNotFound",
        "message": "why",
        "source": {"component": "isheep-operator"},
        "reportingComponent": "isheep-operator",
        "reportingInstance": "isheep-operator-7d9f",
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:05Z",
        "count": 1,
    }


@pytest.mark.parametrize("length", [MESSAGE_CHARACTERS, MESSAGE_CHARACTERS + 1, 5000])
def test_a_message_is_cut_at_the_limit_of_an_event(length: int) -> None:
    assert document(message="x" * length)["message"] == "x" * min(length, 1000)
