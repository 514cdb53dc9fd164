"""The assessor's answers that the report shows: those of the first pairs of an iteration.

Only these answers contain an explanation (`assessment.explanations`). They show a reader why a pair
has its score, and how an answer looks that could not be parsed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from isheep_worker.rows.schema import ScoreRow, SelectionRow


@dataclass(frozen=True, slots=True)
class AssessorAnswer:
    """An answer on one level, with the score that was read, or the reason why there is none."""

    level: str
    score: float | None
    reason: str | None
    text: str


@dataclass(frozen=True, slots=True)
class AssessedPair:
    """A pair with the assessor's answers to it."""

    instruction: str
    input: str
    response: str
    answers: tuple[AssessorAnswer, ...]


def assessed_pairs(
    scores: Iterable[ScoreRow], pairs: Iterable[SelectionRow]
) -> tuple[AssessedPair, ...]:
    """Return the pairs to which the assessor wrote an answer, in the order of `pairs`.

    Args:
        scores: The score rows of the pairs to show.
        pairs: The rows of the selection. They are read up to the last pair to show.

    Returns:
        The pairs with their answers. A pair without a generated answer is left out: a rule has
        dropped it, or its scores are expected scores.
    """
    answers = {row.id: found for row in scores if (found := _answers(row))}
    shown: list[AssessedPair] = []
    for pair in pairs if answers else ():
        of_pair = answers.pop(pair.id, None)
        if of_pair is not None:
            shown.append(AssessedPair(pair.instruction, pair.input, pair.response, of_pair))
        if not answers:
            break
    return tuple(shown)


def _answers(row: ScoreRow) -> tuple[AssessorAnswer, ...]:
    scores = (*row.levels.items(), *row.compared.items())
    return tuple(
        AssessorAnswer(level, score.score, score.reason, score.raw)
        for level, score in scores
        if score.raw
    )
