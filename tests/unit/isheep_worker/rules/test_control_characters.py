"""Nulls, escapes, broken characters and direction overrides, in instruction and input."""

import pytest

from isheep_worker.rules.control_characters import CONTROL_CHARACTERS
from isheep_worker.text.parsing import ParsedTask


@pytest.mark.parametrize(
    ("instruction", "task_input", "detail"),
    [
        ("Name\ta bird.\nThen a tree.", "a\r\nb", None),
        ("Name a \x00 bird.", "", "U+0000"),
        ("Name a \x1b[31mbird.", "", "U+001B"),
        ("Name a bird.", "\ufffd", "U+FFFD"),
        ("Name a \ud83d bird.", "", "U+D83D"),
        ("Name a \u202edrib.", "", "U+202E"),
        ("הציע שם לכלב", "", None),
        ("Name a 🐦 bird.", "", None),
    ],
)
def test_control_characters_are_found(
    instruction: str, task_input: str, detail: str | None
) -> None:
    assert CONTROL_CHARACTERS.check(ParsedTask(1, instruction, task_input)) == detail
