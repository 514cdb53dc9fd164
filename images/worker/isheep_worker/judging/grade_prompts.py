"""The question to the judge for the grade of an answer to one turn of a question.

The judge sees one answer and no other model's. For a second turn, it also sees the first turn with
the model's own answer, because the second question refers to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from isheep_worker.judging.graded_questions import GradedQuestion
from isheep_worker.templates.library import TemplateLibrary

FIRST_TURN, SECOND_TURN = "judge-first-turn", "judge-second-turn"
NO_ANSWER = "no-answer"
"""The failure of a grade if the model has no answer, because the prompt did not fit the model."""


def grade_prompt(
    library: TemplateLibrary, question: GradedQuestion, answers: Sequence[str], turn: int
) -> str:
    """Return the user's message that asks the judge for a grade.

    Args:
        library: The templates of the judgement.
        question: The question.
        answers: The answers of one model to the turns so far, the graded one last.
        turn: The number of the turn, from 0.
    """
    asked = {
        "input": question.input,
        "instruction": question.turns[turn],
        "answer": answers[turn],
        "reference": question.references[turn],
    }
    if turn == 0:
        return library.render(FIRST_TURN, **asked).strip()
    return library.render(
        SECOND_TURN,
        **asked,
        first_instruction=question.turns[0],
        first_answer=answers[0],
        first_reference=question.references[0],
    ).strip()
