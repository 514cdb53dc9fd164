"""The ids of stages."""

from __future__ import annotations

import pytest

from isheep.contract.stage_ids import iteration_of, kind_name


@pytest.mark.parametrize(
    ("stage", "kind"),
    [("prepare", "prepare"), ("i2/respond", "respond"), ("i1/generate/r3", "generate"), ("", "")],
)
def test_the_kind_of_a_stage_is_in_its_id(stage: str, kind: str) -> None:
    assert kind_name(stage) == kind


@pytest.mark.parametrize(
    ("stage", "iteration"), [("prepare", 0), ("i2/respond", 2), ("i12/generate/r3", 12)]
)
def test_the_iteration_of_a_stage_is_in_its_id(stage: str, iteration: int) -> None:
    assert iteration_of(stage) == iteration
