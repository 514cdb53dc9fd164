"""The failure policy: the decision about each kind of failed attempt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.planner.failure_policy import Ending, FailureAction, FailureDecision, decide
from isheep.recipes.stage_kinds import StageKind

PREPARE, GENERATE, TRAIN = StageKind.PREPARE, StageKind.GENERATE, StageKind.TRAIN
TEN = timedelta(seconds=10)


@pytest.mark.parametrize(
    ("ending", "decision"),
    [
        (
            Ending(PREPARE, 64),
            FailureDecision(FailureAction.STALL, "InvalidInput", timedelta(minutes=1)),
        ),
        (
            Ending(PREPARE, 64, stalls=2, reason="ModelNotFound"),
            FailureDecision(FailureAction.STALL, "ModelNotFound", timedelta(minutes=5)),
        ),
        (Ending(GENERATE, 64), FailureDecision(FailureAction.FAIL, "InvalidInput")),
        (
            Ending(GENERATE, 64, reason="LabelMass"),
            FailureDecision(FailureAction.FAIL, "LabelMass"),
        ),
        (
            Ending(GENERATE, 64, stalls=1, reason="StoreRefused"),
            FailureDecision(FailureAction.STALL, "StoreRefused", timedelta(minutes=2)),
        ),
        (
            Ending(TRAIN, 69),
            FailureDecision(FailureAction.STALL, "StoreUnreachable", timedelta(minutes=1)),
        ),
        (
            Ending(PREPARE, 69, reason="SourceUnreachable", stalls=1),
            FailureDecision(FailureAction.STALL, "SourceUnreachable", timedelta(minutes=2)),
        ),
        (Ending(TRAIN, 70), FailureDecision(FailureAction.FAIL, "Defect")),
        (Ending(PREPARE, 70), FailureDecision(FailureAction.FAIL, "Defect")),
        (Ending(TRAIN, 74), FailureDecision(FailureAction.RETRY, "Retrying", TEN, counted=True)),
        (Ending(TRAIN, 74, failures=3), FailureDecision(FailureAction.FAIL, "DiskOrIO")),
        (
            Ending(TRAIN, 74, failures=3, reason="DeviceFailed"),
            FailureDecision(FailureAction.FAIL, "DeviceFailed"),
        ),
        (Ending(TRAIN, 80), FailureDecision(FailureAction.RETRY, "Retrying", reduce_memory=True)),
        (
            Ending(TRAIN, 80, memory_reduction=2, failures=3),
            FailureDecision(FailureAction.RETRY, "Retrying", reduce_memory=True),
        ),
        (Ending(TRAIN, 80, memory_reduction=3), FailureDecision(FailureAction.FAIL, "OutOfMemory")),
        (Ending(TRAIN, 143, failures=9), FailureDecision(FailureAction.RETRY, "Disrupted", TEN)),
        (
            Ending(TRAIN, 137, failures=9, disrupted=True),
            FailureDecision(FailureAction.RETRY, "Disrupted", TEN),
        ),
        (Ending(TRAIN, 137), FailureDecision(FailureAction.RETRY, "Retrying", TEN, counted=True)),
        (
            Ending(TRAIN, None, failures=2),
            FailureDecision(FailureAction.RETRY, "Retrying", timedelta(seconds=160), counted=True),
        ),
        (Ending(TRAIN, 1, failures=3), FailureDecision(FailureAction.FAIL, "RetriesExceeded")),
        (Ending(TRAIN, 0), FailureDecision(FailureAction.RETRY, "Retrying", TEN, counted=True)),
        (Ending(TRAIN, 0, failures=3), FailureDecision(FailureAction.FAIL, "RetriesExceeded")),
        (
            Ending(PREPARE, 143, overdue=True),
            FailureDecision(FailureAction.STALL, "PrepareOverdue", timedelta(minutes=1)),
        ),
    ],
)
def test_an_ending_decides_the_next_action(ending: Ending, decision: FailureDecision) -> None:
    assert decide(ending) == decision


@pytest.mark.parametrize(
    ("stalls", "minutes"), [(0, 1), (1, 2), (2, 5), (3, 10), (4, 30), (5, 30), (400, 30)]
)
def test_the_wait_grows_with_the_number_of_stalls(stalls: int, minutes: int) -> None:
    assert decide(Ending(PREPARE, 64, stalls=stalls)).delay == timedelta(minutes=minutes)


@settings(deadline=None)
@given(
    kind=st.sampled_from(StageKind),
    codes=st.lists(st.one_of(st.none(), st.sampled_from([0, 1, 74, 80, 137])), min_size=8),
)
def test_counted_failures_fail_the_stage_within_eight_attempts(
    kind: StageKind, codes: list[int | None]
) -> None:
    failures = reductions = 0
    for code in codes:
        decision = decide(Ending(kind, code, failures=failures, memory_reduction=reductions))
        if decision.action is FailureAction.FAIL:
            return
        failures += decision.counted
        reductions += decision.reduce_memory
    raise AssertionError("the stage has not failed after eight failures")
