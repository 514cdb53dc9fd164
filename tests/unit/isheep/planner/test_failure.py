"""The whole table of verdicts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.planner.failure import Act, Ending, Verdict, judge
from isheep.recipes.interface import StageKind

PREPARE, GENERATE, TRAIN = StageKind.PREPARE, StageKind.GENERATE, StageKind.TRAIN
TEN = timedelta(seconds=10)


@pytest.mark.parametrize(
    ("ending", "verdict"),
    [
        (Ending(PREPARE, 64), Verdict(Act.STALL, "InvalidInput", timedelta(minutes=1))),
        (
            Ending(PREPARE, 64, stalls=2, reason="ModelNotFound"),
            Verdict(Act.STALL, "ModelNotFound", timedelta(minutes=5)),
        ),
        (Ending(GENERATE, 64), Verdict(Act.FAIL, "InvalidInput")),
        (Ending(GENERATE, 64, reason="LabelMass"), Verdict(Act.FAIL, "LabelMass")),
        (Ending(TRAIN, 69), Verdict(Act.STALL, "StoreUnreachable", timedelta(minutes=1))),
        (
            Ending(PREPARE, 69, reason="SourceUnreachable", stalls=1),
            Verdict(Act.STALL, "SourceUnreachable", timedelta(minutes=2)),
        ),
        (Ending(TRAIN, 70), Verdict(Act.FAIL, "Defect")),
        (Ending(PREPARE, 70), Verdict(Act.FAIL, "Defect")),
        (Ending(TRAIN, 74), Verdict(Act.RETRY, "Retrying", TEN, counted=True)),
        (Ending(TRAIN, 74, failures=3), Verdict(Act.FAIL, "DiskOrIO")),
        (Ending(TRAIN, 80), Verdict(Act.RETRY, "Retrying", reduce_memory=True)),
        (
            Ending(TRAIN, 80, memory_reduction=2, failures=3),
            Verdict(Act.RETRY, "Retrying", reduce_memory=True),
        ),
        (Ending(TRAIN, 80, memory_reduction=3), Verdict(Act.FAIL, "OutOfMemory")),
        (Ending(TRAIN, 143, failures=9), Verdict(Act.RETRY, "Disrupted", TEN)),
        (Ending(TRAIN, 137, failures=9, disrupted=True), Verdict(Act.RETRY, "Disrupted", TEN)),
        (Ending(TRAIN, 137), Verdict(Act.RETRY, "Retrying", TEN, counted=True)),
        (
            Ending(TRAIN, None, failures=2),
            Verdict(Act.RETRY, "Retrying", timedelta(seconds=160), counted=True),
        ),
        (Ending(TRAIN, 1, failures=3), Verdict(Act.FAIL, "RetriesExceeded")),
        (Ending(TRAIN, 0), Verdict(Act.RETRY, "Retrying", TEN, counted=True)),
        (Ending(TRAIN, 0, failures=3), Verdict(Act.FAIL, "RetriesExceeded")),
        (
            Ending(PREPARE, 143, overdue=True),
            Verdict(Act.STALL, "PrepareOverdue", timedelta(minutes=1)),
        ),
    ],
)
def test_verdicts(ending: Ending, verdict: Verdict) -> None:
    assert judge(ending) == verdict


@pytest.mark.parametrize(
    ("stalls", "minutes"), [(0, 1), (1, 2), (2, 5), (3, 10), (4, 30), (5, 30), (400, 30)]
)
def test_the_schedule_while_stalled(stalls: int, minutes: int) -> None:
    assert judge(Ending(PREPARE, 64, stalls=stalls)).delay == timedelta(minutes=minutes)


@settings(deadline=None)
@given(
    kind=st.sampled_from(StageKind),
    codes=st.lists(st.one_of(st.none(), st.sampled_from([0, 1, 74, 80, 137])), min_size=8),
)
def test_what_counts_comes_to_an_end(kind: StageKind, codes: list[int | None]) -> None:
    failures = reductions = 0
    for code in codes:
        verdict = judge(Ending(kind, code, failures=failures, memory_reduction=reductions))
        if verdict.act is Act.FAIL:
            return
        failures += verdict.counted
        reductions += verdict.reduce_memory
    raise AssertionError("eight failures, and no end")
