"""The ids of stages."""

from __future__ import annotations

import pytest

from isheep.contract.stage_ids import kind_name


@pytest.mark.parametrize(
    ("stage", "kind"),
    [("prepare", "prepare"), ("i2/respond", "respond"), ("i1/generate/r3", "generate"), ("", "")],
)
def test_the_kind_of_a_stage_is_in_its_id(stage: str, kind: str) -> None:
    assert kind_name(stage) == kind
