"""The response that respond reads from a completion."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from isheep.contract.choices import ResponseStyle
from isheep.recipes.settings import ModelSettings, RespondSettings, Sampling
from isheep_worker.engines.interface import Completion
from isheep_worker.rows.schema import PAIRS, InstructionRow
from isheep_worker.stages.respond import _pair, _part, _reply
from isheep_worker.templates.library import TemplateLibrary

ROW = InstructionRow("a", "Name a bird.", "", 1, 1, 1)
THOUGHTS = "<think>\nOne bird.\n</think>\n\n"


def response(
    text: str, thinking: Literal["Keep"] | None, asking: ResponseStyle | None = None
) -> str:
    """Return the response of the pair whose completion is `text`."""
    settings = settings_of(thinking, asking)
    completion = Completion(id="a", text=text, finish_reason="stop", prompt_tokens=4, tokens=5)
    return _pair(settings, ROW, completion, _reply(settings, completion), 4).response


def settings_of(
    thinking: Literal["Keep"] | None, asking: ResponseStyle | None = None
) -> RespondSettings:
    return RespondSettings(
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


@pytest.mark.parametrize(("thinking", "removed"), [(None, 2), ("Keep", 0)])
def test_the_responses_that_lost_their_thoughts_are_counted(
    thinking: Literal["Keep"] | None, removed: int
) -> None:
    texts = [f"{THOUGHTS}A wren.", THOUGHTS, "<think>\nOne", "A wren.", " A wren.\n"]
    rows = [replace(ROW, id=str(number)) for number in range(len(texts))]
    context: Any = SimpleNamespace(settings=settings_of(thinking), step=SimpleNamespace(id="s"))
    inference: Any = SimpleNamespace(
        library=TemplateLibrary(),
        renderer=SimpleNamespace(chat=lambda _: [1, 2]),
        fits=lambda *_: True,
        request=lambda id_, *_, **__: SimpleNamespace(id=id_),
    )
    program = _part(context, inference, rows, 0)
    requests = next(program)
    completions = [
        Completion(id=request.id, text=text, finish_reason="stop", prompt_tokens=4, tokens=5)
        for request, text in zip(requests, texts, strict=True)
    ]
    with pytest.raises(StopIteration) as end:
        program.send(completions)
    assert end.value.value.statistics["thoughtsRemoved"] == removed


def test_a_pair_has_the_log_probability_of_its_tokens() -> None:
    completion = Completion("a", "A wren.", "stop", 4, 5, logprob=-2.5)
    settings = settings_of(None)
    pair = _pair(settings, ROW, completion, _reply(settings, completion), 4)
    assert (pair.tokens, pair.logprob) == (5, -2.5)
    # A prompt that is too long has no tokens, and a line without the field is read as before.
    skipped = _pair(settings, ROW, None, _reply(settings, None), 4)
    assert skipped.logprob is None
    assert b"logprob" not in PAIRS.encode(skipped)
    assert PAIRS.decode(PAIRS.encode(pair)) == pair
