"""The question to the judge about two answers, and what its answer says about M(t)."""

from __future__ import annotations

from isheep_worker.judging.order_reversals import LOSS, TIE, WIN
from isheep_worker.judging.questions import Question
from isheep_worker.judging.verdicts import parse_verdict
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.text.thoughts import without_thoughts

TEMPLATE = "judge-pair"
TOO_LONG = "too-long"
"""The failure of a judgement whose prompt does not fit the judge."""


def shown_answer(text: str) -> str:
    """Return an answer as the judge sees it: without thoughts and outer white space."""
    return without_thoughts(text).strip()


def pair_prompt(
    library: TemplateLibrary, question: Question, answer: str, other: str, *, first: bool
) -> str:
    """Return the user's message that asks the judge for the better answer.

    Args:
        library: The run's templates.
        question: The question.
        answer: The answer of M(t).
        other: The answer that it is compared with.
        first: Whether the answer of M(t) is in the first place, as answer A.
    """
    a, b = (answer, other) if first else (other, answer)
    return library.render(
        TEMPLATE, instruction=question.instruction, input=question.input, answer_a=a, answer_b=b
    ).strip()


def preference(text: str, *, first: bool, complete: bool) -> tuple[float | None, str | None]:
    """Return what the judge's text says about M(t), or the kind of failure.

    Args:
        text: The answer of the judge.
        first: Whether the answer of M(t) was in the first place.
        complete: Whether the judge ended its answer.

    Returns:
        1 if M(t) is better, 0.5 for a tie, 0 if it is worse, and no failure; or None and a failure.
    """
    found = parse_verdict(text, complete=complete)
    if found.verdict is None:
        return None, found.failure
    if found.verdict == "Tie":
        return TIE, None
    return (WIN if (found.verdict == "A") == first else LOSS), None
