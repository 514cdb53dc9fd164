"""The prompt for a grade: what the judge sees of each turn; the reference only if there is one."""

from __future__ import annotations

import pytest

from isheep_worker.judging.grade_prompts import grade_prompt
from isheep_worker.judging.graded_questions import GradedQuestion
from isheep_worker.templates.library import TemplateLibrary

LIBRARY = TemplateLibrary()
TURNS = ("FIRST-QUESTION", "SECOND-QUESTION")
ANSWERS = ["FIRST-ANSWER", "SECOND-ANSWER"]


def asked(references: tuple[str, str]) -> GradedQuestion:
    return GradedQuestion("q", TURNS, "THE-INPUT", references)


def test_the_first_turn_is_graded_without_the_second_one() -> None:
    text = grade_prompt(LIBRARY, asked(("REFERENCE-1", "REFERENCE-2")), ANSWERS, 0)
    for shown in ("FIRST-QUESTION", "THE-INPUT", "FIRST-ANSWER", "REFERENCE-1"):
        assert text.count(shown) == 1
    for hidden in ("SECOND-QUESTION", "SECOND-ANSWER", "REFERENCE-2"):
        assert hidden not in text
    assert text.endswith("Grade: N")


def test_the_second_turn_is_graded_after_the_whole_first_one() -> None:
    text = grade_prompt(LIBRARY, asked(("REFERENCE-1", "REFERENCE-2")), ANSWERS, 1)
    order = (
        *("FIRST-QUESTION", "THE-INPUT", "REFERENCE-1", "FIRST-ANSWER"),
        *("SECOND-QUESTION", "REFERENCE-2", "SECOND-ANSWER", "Grade: N"),
    )
    places = [text.index(shown) for shown in order]
    assert places == sorted(places)


@pytest.mark.parametrize("turn", [0, 1])
def test_without_a_reference_the_prompt_does_not_mention_one(turn: int) -> None:
    assert "reference" not in grade_prompt(LIBRARY, asked(("", "")), ANSWERS, turn).lower()
    one = grade_prompt(LIBRARY, asked(("", "REFERENCE-2")), ANSWERS, 1)
    assert "REFERENCE-2" in one
    assert "reference for the first question" not in one
