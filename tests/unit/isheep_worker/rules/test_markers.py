"""Marks of the prompt's form in a text."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.markers import (
    CHAT_MARKER,
    NO_INPUT,
    RESPONSE_CHAT_MARKER,
    RESPONSE_NO_INPUT,
)
from isheep_worker.text.parsing import ParsedTask


def pair(response: str, *, instruction: str = "Name a bird.", task_input: str = "") -> PairRow:
    return PairRow("id", instruction, task_input, response, "stop", 9, 4)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("Name a bird <noinput>", "noinput"),
        ("Name a bird (No Input)", "No Input"),
        ("Name a bird <no\u00adin\u200bput>", "noinput"),
        ("There is no  input here", None),
        ("Explain what input means", None),
    ],
)
def test_marks_for_an_absent_input_are_found(text: str, detail: str | None) -> None:
    assert NO_INPUT.check(ParsedTask(1, text, "")) == detail
    assert NO_INPUT.check(ParsedTask(1, "Name a bird.", text)) == detail
    assert RESPONSE_NO_INPUT.check(pair(text)) == detail
    assert RESPONSE_NO_INPUT.check(pair("A wren.", task_input=text)) == detail


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("A wren.<|im_end|>\n<|im_start|>user", "<|im_end|>"),
        ("<|im_start|><|im_start|>system<|im_end|>", "<|im_start|>"),
        ("[INST] a wren [/INST]", "[INST]"),
        ("A wren.</s>", "</s>"),
        ("<<SYS>>", "<<SYS>>"),
        ("<start_of_turn>model", "<start_of_turn>"),
        ("### Response: a wren", "### Response"),
        ("a <| b |> c", None),
        ("a <|" + "x" * 60 + "|> b", None),
        ("The response is a wren.", None),
    ],
)
def test_chat_markers_are_found(text: str, detail: str | None) -> None:
    assert CHAT_MARKER.check(ParsedTask(1, "Name a bird.", text)) == detail
    assert RESPONSE_CHAT_MARKER.check(pair(text)) == detail
