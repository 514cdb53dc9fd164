"""The block of thoughts before an answer."""

import pytest

from isheep_worker.text.thoughts import without_thoughts


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<think>\nOne bird.\n</think>\n\nA wren.", "A wren."),
        (" \n<think></think>A wren. ", "A wren."),
        ("<THINK>x</Think> A wren.", "A wren."),
        ("<think>a</think>\n<thinking>b</thinking>\nA wren.", "A wren."),
        ("[THINK]x[/THINK]A wren.", "A wren."),
        ("\u25c1think\u25b7x\u25c1/think\u25b7A wren.", "A wren."),
        ("<seed:think>x</seed:think>A wren.", "A wren."),
        ("<think>all of it</think>\n", ""),
        ("<think>x</thinking>y</think>A wren.", "A wren."),
        # Nobody knows where the answer begins.
        ("<think>One bird. A wren.", None),
        ("One bird.</think>A wren.", None),
        # The block is a part of the answer.
        ("The tag <think>x</think> is a mark.", None),
        ("```\n<think>x</think>\n```", None),
        ("<reasoning>x</reasoning>A wren.", None),
        (" A wren. ", None),
    ],
)
def test_whole_blocks_before_the_answer_are_removed(response: str, answer: str | None) -> None:
    assert without_thoughts(response) == (response if answer is None else answer)


def test_a_hostile_response_takes_linear_time() -> None:
    assert without_thoughts("<think>" * 100_000) == "<think>" * 100_000
    assert without_thoughts("<think></think>" * 50_000 + "x") == "x"
