"""What training predicts of a response that ended by length: no end of its turn."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from isheep_worker.rows.schema import SelectionRow
from isheep_worker.stages.train import _response_ids
from isheep_worker.templates.chat import PromptRenderer, resolve_chat_format
from isheep_worker.templates.library import TemplateLibrary


def row(finish_reason: str) -> SelectionRow:
    return SelectionRow("a", "List rivers.", "", "1. Mekong: it", finish_reason, True, None)


@pytest.fixture(scope="module")
def renderer(tiny_model_dir: Path) -> PromptRenderer:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    return PromptRenderer(tokenizer, resolve_chat_format(tokenizer))


def test_only_a_whole_response_ends_with_the_end_of_the_turn(renderer: PromptRenderer) -> None:
    library = TemplateLibrary()
    whole, cut = (
        _response_ids(library, renderer, "Chat", row(reason)) for reason in ("stop", "length")
    )
    assert whole == renderer.response("1. Mekong: it")
    assert cut == renderer.response("1. Mekong: it", ended=False)
    assert whole[: len(cut)] == cut
    assert len(whole) > len(cut)
