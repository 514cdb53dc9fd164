"""Placeholders in the instruction and the input of a pair, and never in its response."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.interface import Example, first_drop
from isheep_worker.rules.placeholder import NONE, PLACEHOLDER
from isheep_worker.rules.sets import rule_set


def in_each_field(text: str) -> list[PairRow]:
    return [
        PairRow("id", text, "", "A wren.", "stop", 9, 4),
        PairRow("id", "Name a bird.", text, "A wren.", "stop", 9, 4),
        PairRow("id", "Name a bird.", "", text, "stop", 9, 4),
    ]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("Dear <your name>, hello", "<your name>"),
        ("Dear «name», hello", "«name»"),
        ("<p>Hello</p>", "<p>"),
        ("if a < b and c > d", None),
        ("<" + "x" * 20 + ">", "<" + "x" * 20 + ">"),
        ("<" + "x" * 21 + ">", None),
        ("1 < 2", None),
        ("<>", None),
    ],
)
def test_placeholders_are_found_in_the_task_only(text: str, detail: str | None) -> None:
    assert [PLACEHOLDER.check(pair) for pair in in_each_field(text)] == [detail, detail, None]


@pytest.mark.parametrize(
    ("text", "detail"),
    [("None", "None"), ("Input is none.", "none"), ("nonetheless", None), ("a nun", None)],
)
def test_the_word_none_is_found_in_the_task_only(text: str, detail: str | None) -> None:
    assert [NONE.check(pair) for pair in in_each_field(text)] == [detail, detail, None]


@pytest.mark.parametrize("name", ["ISheep", "ISheepCode", "SelfInstruct", "Dromedary"])
@pytest.mark.parametrize(
    "response",
    [
        '#include <iostream>\nint main() { std::cout << "Hi"; }',
        "<html><body>Hello</body></html>",
        "List<Integer> xs = new ArrayList<>();",
        "def first(xs):\n    return xs[0] if xs else None",
        "git branch <branch_name>",
        "const m = new Map<string, number>();",
        "Many were invited, but none came.",
    ],
)
def test_a_response_with_code_passes_every_set(name: str, response: str) -> None:
    pair = Example("Answer the question with one line.", response=response)
    assert first_drop(rule_set(name, "en").pair_rules, pair) is None
