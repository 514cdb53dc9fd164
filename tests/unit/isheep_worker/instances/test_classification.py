"""Classification: the 31 examples of the prompt, and the parser of answers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.inputs.seed_tasks import default_seed_tasks
from isheep_worker.instances.classification import classification_prompt, parse_answer
from isheep_worker.templates.library import TemplateLibrary


def test_the_prompt_shows_31_tasks_with_their_answers() -> None:
    prompt = classification_prompt(TemplateLibrary(), "Is it \n late?")
    shown = re.findall(r"^Task: (.+)\nClassification: (Yes|No)$", prompt, re.MULTILINE)
    assert len(shown) == len(set(shown)) == 31
    assert prompt.endswith("\n\nTask: Is it late?\nClassification:")
    known = {task.instruction: task.is_classification for task in default_seed_tasks()}
    for instruction, answer in shown:
        assert known[instruction] == (answer == "Yes")
    assert 10 <= sum(answer == "Yes" for _, answer in shown) <= 15


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" Yes", True),
        ("yes.", True),
        ("\tYES, it is", True),
        (" No", False),
        ("no\nTask:", False),
        ("", None),
        (" Nope", None),
        ("Yesterday", None),
        ("It is no", None),
        ("\ud800", None),
    ],
)
def test_answers_are_parsed(text: str, answer: bool | None) -> None:
    assert parse_answer(text) is answer


@given(st.text())
def test_every_text_can_be_parsed(text: str) -> None:
    assert parse_answer(text) in (True, False, None)


# Not a benchmark: a quadratic parser would take hours, which the usual timeout ends.
@pytest.mark.parametrize("unit", [" ", "\n", "yes", "n"])
def test_a_text_of_a_megabyte_is_parsed_in_time(unit: str) -> None:
    parse_answer(unit * (1_000_000 // len(unit)))
