"""Responses that contain the model's thoughts, and responses about the marks of thoughts."""

import pytest

from isheep_worker.rules.interface import Example, first_drop
from isheep_worker.rules.sets import RULE_SETS, rule_set
from isheep_worker.rules.thinking import THINKING


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        ("They want two.\n</think>\n\nMekong and Indus.", "</think>"),
        ("用户要两条。\n</think>\n\n湄公河和印度河。", "</think>"),
        ("用户要两条。</think>湄公河", "</think>"),
        ("They want two.</think>Mekong", "</think>"),
        ("They want two. </think> Mekong", "</think>"),
        ("<think>\nThey want two", "<think>"),
        (" <THINK>a</THINK> b", "<THINK>"),
        ("<thought>a</thought>b", "<thought>"),
        ("<reasoning>a</reasoning>b", "<reasoning>"),
        ("[THINK]a[/THINK]b", "[THINK]"),
        ("\u25c1think\u25b7a\u25c1/think\u25b7b", "\u25c1think\u25b7"),
        ("Mekong.\n<think>\nAnother one.\n", "<think>"),
        ("<|channel|>analysis<|message|>They", "<|channel|>"),
        ("<|START_THINKING|>They", "<|START_THINKING|>"),
        ("analysisThey ask for a capital. Easy.assistantfinalParis.", "analysis"),
        ("analysiswe answer.assistantfinalParis.", "assistantfinal"),
        ("Use ```a without an end.\n</think>\nParis", "</think>"),
    ],
)
def test_thoughts_are_found(response: str, detail: str) -> None:
    assert THINKING.check(Example(response=response)) == detail


@pytest.mark.parametrize(
    "response",
    [
        "The </think> tag ends the thoughts of the model.",
        "It writes <think> before it answers.",
        "Both `<think>` and `</think>` are tokens.",
        'The tag "</think>" ends it.',
        "A block looks so:\n```xml\n<think>\na\n</think>\n```\nThen the answer comes.",
        "<config>\n<think>\non\n</think>\n</config>",
        "Set <think>true</think> in the file.",
        "analysisResults = frame.mean()",
        "Analysis: the assistant finally agrees.",
        "I think so.",
    ],
)
def test_a_response_about_such_marks_is_spared(response: str) -> None:
    assert THINKING.check(Example(response=response)) is None


def test_a_tag_that_the_task_asks_for_is_spared() -> None:
    task = "Write your steps in <reasoning> and then the result."
    response = "<reasoning>2 and 2</reasoning> 4"
    assert THINKING.check(Example(task, response=response)) is None
    thoughts = Example("What does <think> mean?", response="<think>Hm.</think> A tag.")
    assert THINKING.check(thoughts) == "<think>"


def test_every_set_has_the_rule_in_every_language() -> None:
    row = Example(response="Hm.\n</think>\n\nA wren.")
    for name in RULE_SETS.keys() - {"None"}:
        for language in ("en", "zh"):
            drop = first_drop(rule_set(name, language).pair_rules, row)
            assert drop is not None
            assert drop.rule == "thinking"
