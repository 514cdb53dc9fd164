"""List numbers at the start of lines of an instruction."""

import pytest

from isheep_worker.rules.numbering import NUMBERING
from isheep_worker.text.parsing import ParsedTask


@pytest.mark.parametrize(
    ("instruction", "task_input", "detail"),
    [
        ("7. Name a bird.", "", "7."),
        ("Name a bird.\n8. Name a tree.", "", "8."),
        ("Name a bird.\n  12) Name a tree.", "", "12)"),
        ("Name 7. No more.", "", None),
        ("3.5 litres are how many pints?", "", None),
        ("Sort the list.", "1. pears\n2. apples", None),
        ("1984 was written by whom?", "", None),
        ("Choose a class:\n1) World\n2) Sports\n3) Science", "", None),
        ("Rate the text.\n0. bad\n1. good", "", None),
        ("1. Who wrote it?\n2. When?", "", None),
        ("1) Write a sentence. 2) Translate it.", "", None),
        ("First:\n1. a\n2. b\nThen:\n1. c\n2. d", "", None),
        ("1. Name a bird.", "", "1."),
        ("Choose a class:\n1) World\n2) Sports\n9) Name a tree.", "", "9)"),
        ("Choose a class:\n1) World\n2) Sports\n\n1) Name a tree.", "", "1)"),
        ("Name a bird.\n8. Name a tree.\n9. Name a fish.", "", "8."),
    ],
)
def test_a_list_number_is_found(instruction: str, task_input: str, detail: str | None) -> None:
    assert NUMBERING.check(ParsedTask(1, instruction, task_input)) == detail
