"""Code that a text of Markdown marks as code."""

import pytest

from isheep_worker.text.code import without_code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no code", "no code"),
        ("a `b` c", "a `` c"),
        ("a\n```py\nb\n```\nc", "a\n``\nc"),
        ("a\n~~~\nb\n```\n~~~\nc", "a\n``\nc"),
        ("a\n```\nb", "a\n```\nb"),
        ("```\na\n```\n```\nb", "``\n```\nb"),
        ("a ` b\n` c", "a ` b\n` c"),
    ],
)
def test_blocks_and_spans_are_removed(text: str, expected: str) -> None:
    assert without_code(text) == expected


# Not a benchmark: quadratic code would take hours, which the usual timeout ends.
@pytest.mark.parametrize("unit", ["`", "```\n", "```x\n", "~~~x\n```y\n", "`a"])
def test_a_text_of_a_million_characters_is_read_in_time(unit: str) -> None:
    without_code(unit * (1_000_000 // len(unit)))
