"""`responses.thinking: Keep` in the settings of the stages."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.recipes.interface import Stage
from isheep.recipes.registry import RECIPES

from .isheep_stages import all_accepted, spec_of
from .stages_of import PREPARED, stages_of

THINKING = PREPARED.model_copy(update={"thinking_chat_format": "thoughts"})


def stages(**changes: Any) -> dict[str, Stage]:
    spec = spec_of(responses={"thinking": "Keep"}, **changes)
    return stages_of(RECIPES["ISheep"], spec, all_accepted(1), THINKING)[0]


def test_responses_and_their_training_have_the_chat_format_with_thoughts() -> None:
    found = stages()
    formats = {"i1/generate/r1": "chat", "i1/respond": "thoughts", "i1/assess": "chat"}
    for stage, chat_format in formats.items():
        assert found[stage].settings.canonical()["model"]["chatFormat"] == chat_format
    for stage in ("i1/train", "i1/merge"):
        assert found[stage].settings.canonical()["chatFormat"] == "thoughts"
    measured = stages(selection={"method": "Perplexity"})["i1/measure"].settings.canonical()
    assert measured["model"]["chatFormat"] == "thoughts"


@pytest.mark.parametrize(
    ("method", "keeping", "other"),
    [
        ("SelfAssessment", {"i1/respond", "i1/assess"}, "i1/select"),
        ("Perplexity", {"i1/respond", "i1/measure"}, "i1/select"),
        ("None", {"i1/respond", "i1/select"}, "i1/train"),
    ],
)
def test_keep_is_a_setting_of_the_stages_that_read_thoughts(
    method: str, keeping: set[str], other: str
) -> None:
    found = stages(selection={"method": method})
    for stage in keeping:
        assert found[stage].settings.canonical()["thinking"] == "Keep"
    assert "thinking" not in found[other].settings.canonical()


def test_the_default_is_no_setting() -> None:
    found = stages_of(RECIPES["ISheep"], spec_of(), all_accepted(1), PREPARED)[0]
    for stage in found.values():
        assert "thinking" not in stage.settings.canonical()
