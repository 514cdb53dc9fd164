"""Options that the task did not ask for, and letters that are no options."""

import pytest

from isheep_worker.rules.interface import Example, first_drop
from isheep_worker.rules.options import OPTIONS
from isheep_worker.rules.sets import rule_set
from isheep_worker.rules.unrequested_options import UNREQUESTED_OPTIONS


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        ("Answer Choices: wren", "Answer Choices:"),
        ("B. It is blue.", "B. I"),
        ("A. wren\nB. owl", "A."),
        ("- A) wren\n- B) owl", "- A)"),
        ("(c) owl", "(c)"),
        ("The answer is (B).", "answer is (B)"),
        ("The correct answer is B.", "answer is B"),
        ("Answer: D", "Answer: D"),
    ],
)
def test_options_are_found(response: str, detail: str) -> None:
    assert UNREQUESTED_OPTIONS.check(Example(response=response)) == detail


@pytest.mark.parametrize(
    "response",
    [
        "Eat an orange, because it has vitamin C.",
        "The kernel is a program in C. It is fast.",
        "E. coli is a bacterium.",
        "print(a)\nx = f(b)",
        "(a) => a + 1",
        "```python\nA. first\nB. second\n```\nThe list is complete.",
        "Answer: A wren is a small bird.",
        "The steps are:\na) wash\nb) cook",
        "He got a grade of B. She was better.",
    ],
)
def test_letters_and_code_are_spared(response: str) -> None:
    assert UNREQUESTED_OPTIONS.check(Example(response=response)) is None


@pytest.mark.parametrize(
    ("instruction", "task_input"),
    [
        ("Write a multiple-choice quiz about birds.", ""),
        ("Write two test questions about birds.", ""),
        ("Which of these is a bird?", ""),
        ("What is a bird?", "A. a wren\nB. a tree"),
        ("Is a wren (A) a bird or (B) a tree?", ""),
        ("Classify the text as A or B.", ""),
    ],
)
def test_a_task_that_asks_for_options_or_contains_them_is_spared(
    instruction: str, task_input: str
) -> None:
    quiz = "What is a wren?\nA. a bird\nB. a tree\nAnswer: A"
    assert UNREQUESTED_OPTIONS.check(Example(instruction, task_input, quiz)) is None


def test_the_set_for_code_spares_what_the_set_of_the_paper_drops() -> None:
    row = Example("Which vitamin is in oranges?", response="They contain vitamin C.")
    assert OPTIONS.check(row) == "C."
    assert first_drop(rule_set("ISheepCode", "en").pair_rules, row) is None
