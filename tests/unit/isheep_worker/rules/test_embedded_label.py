"""Labels of the prompt in the middle of a task, and labels that belong to a good task."""

import pytest

from isheep_worker.rules.embedded_label import EMBEDDED_LABEL
from isheep_worker.text.parsing import ParsedTask


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("Name a bird. Input: a wren", "Input:"),
        ("Name a bird.\nInstruction: name a tree", "Instruction:"),
        ("Name a bird. 6. Output: x", "Output:"),
        ("7. Instruction: Name a tree", "Instruction:"),
        ("Name a bird.\n  7) Input: a tree", "Input:"),
        ("Output: a wren Instruction: Name a tree", "Instruction:"),
        ("Answer for the following input: a wren", None),
        ("Name the ByteInput: type", None),
        ("Instruction: Add both numbers.", None),
        ("## Input:\nracecar", None),
        ('Fix the line echo "Input: "', None),
        ("Explain what `Output:` means.", None),
    ],
)
def test_a_label_after_other_text_is_found_in_each_field(text: str, detail: str | None) -> None:
    assert EMBEDDED_LABEL.check(ParsedTask(1, text, "")) == detail
    assert EMBEDDED_LABEL.check(ParsedTask(1, "Name a bird.", text)) == detail


@pytest.mark.parametrize(
    ("instruction", "task_input"),
    [
        ("Is the word a palindrome?", "Input: racecar"),
        ("Find the pairs with this sum.", "Input: array = [2, 4], target = 6"),
        ("Sort the tiers of the data set.", "Instruction: explain the method in detail"),
        ("Shorten the paragraph.", "Output: Two birds are compared."),
        ("Classify the review. Output: positive, negative or neutral.", "I liked it."),
        ("Name all numbers that are less than 10. Output: a list", ""),
    ],
)
def test_a_label_that_belongs_to_the_task_is_spared(instruction: str, task_input: str) -> None:
    assert EMBEDDED_LABEL.check(ParsedTask(1, instruction, task_input)) is None


def test_an_answer_after_an_input_is_found() -> None:
    task = ParsedTask(1, "Is the word a palindrome?", "Input: racecar Output: yes")
    assert EMBEDDED_LABEL.check(task) == "Output:"
