"""Placeholders in any of the three fields of a pair."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.placeholder import NONE, PLACEHOLDER


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
def test_placeholders_are_found(text: str, detail: str | None) -> None:
    assert [PLACEHOLDER.check(pair) for pair in in_each_field(text)] == [detail] * 3


@pytest.mark.parametrize(
    ("text", "detail"),
    [("None", "None"), ("Input is none.", "none"), ("nonetheless", None), ("a nun", None)],
)
def test_the_word_none_is_found(text: str, detail: str | None) -> None:
    assert [NONE.check(pair) for pair in in_each_field(text)] == [detail] * 3
