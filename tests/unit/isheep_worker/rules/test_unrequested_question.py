"""Questions to the user that the task did not ask for."""

import pytest

from isheep_worker.rules.interface import Example
from isheep_worker.rules.question_back import QUESTION_BACK
from isheep_worker.rules.unrequested_question import UNREQUESTED_QUESTION


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        ("A wren.\nCan you name a tree?", "Can you"),
        ("Why do you like wrens?", "do you like wrens?"),
        ("A wren.\n\nWhat about trees?", "What about trees?"),
        ("A wren.\n \n“And trees?” ", "“And trees?”"),
    ],
)
def test_a_question_to_the_user_is_found(response: str, detail: str) -> None:
    row = Example(response=response)
    assert UNREQUESTED_QUESTION.check(row) == detail
    assert QUESTION_BACK.check(row) is not None


@pytest.mark.parametrize(
    "response",
    [
        '<?php\n\n$result = $a ? "x" : "y";',
        "x = 1\n\n# Is it odd?\nprint(x % 2)",
        "```\na\n\nWhat is your name?\n```\nDone.",
        "match (a) {\n\n  Some(x) => f(x)?,\n}",
    ],
)
def test_code_is_spared(response: str) -> None:
    assert UNREQUESTED_QUESTION.check(Example("Write the code.", response=response)) is None


@pytest.mark.parametrize(
    "instruction",
    [
        "Write a quiz about birds.",
        "Write three interview questions.",
        "Translate the sentence to English.",
        "Write a letter to Ada.",
        "Continue the dialogue.",
    ],
)
def test_a_requested_question_is_spared_but_not_an_offer(instruction: str) -> None:
    question = "Hello.\n\nWhat do you like best?"
    assert UNREQUESTED_QUESTION.check(Example(instruction, response=question)) is None
    offer = f"{question}\nFine.\n\nDo you want me to write more?"
    found = UNREQUESTED_QUESTION.check(Example(instruction, response=offer))
    assert found == "Do you want me to write more?"
