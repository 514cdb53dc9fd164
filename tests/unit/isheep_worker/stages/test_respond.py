"""The response that respond reads from a completion."""

from __future__ import annotations

from typing import Literal

import pytest

from isheep.contract.choices import ResponseStyle
from isheep.recipes.settings import ModelSettings, RespondSettings, Sampling
from isheep_worker.engines.interface import Completion
from isheep_worker.rows.schema import InstructionRow
from isheep_worker.stages.respond import _pair

ROW = InstructionRow("a", "Name a bird.", "", 1, 1, 1)
THOUGHTS = "<think>\nOne bird.\n</think>\n\n"


def response(
    text: str, thinking: Literal["Keep"] | None, asking: ResponseStyle | None = None
) -> str:
    """Return the response of the pair whose completion is `text`."""
    settings = RespondSettings(
        model=ModelSettings(
            base_model="m", engine="VLLM", dtype="float32", max_model_length=64, chat_format="c"
        ),
        random_seed=0,
        prompt_format="Chat",
        sampling=Sampling(temperature=1, top_p=1, max_tokens=8),
        templates="t",
        asking=asking,
        thinking=thinking,
    )
    completion = Completion(id="a", text=text, finish_reason="stop", prompt_tokens=4, tokens=5)
    return _pair(settings, ROW, completion, 4).response


@pytest.mark.parametrize(
    ("text", "removed", "kept"),
    [
        (f" {THOUGHTS}A wren.\n", "A wren.", f"{THOUGHTS}A wren."),
        ("<think>\nOne", "<think>\nOne", "<think>\nOne"),
        (THOUGHTS, "", THOUGHTS.strip()),
        ("A wren.", "A wren.", "A wren."),
    ],
)
def test_thoughts_are_in_a_response_only_if_they_are_kept(
    text: str, removed: str, kept: str
) -> None:
    assert (response(text, None), response(text, "Keep")) == (removed, kept)


def test_a_reply_by_principles_has_no_thoughts_of_a_model_either() -> None:
    text = f"It is safe.\nPublic reply: {THOUGHTS}A wren."
    assert response(text, None, "Principles") == "A wren."
