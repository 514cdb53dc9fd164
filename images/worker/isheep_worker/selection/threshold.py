"""SelfAssessment, the threshold rule of the paper: each score of a kept pair is above C.

The comparison is strict: with the paper's C = 8 only pairs with 9 or 10 are kept (section 3.2). A
pair without a score on a level is never kept, for any value of C.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.rows.schema import PAIRS, SCORES, PairRow, ScoreRow, SelectionRow
from isheep_worker.rules.drop_reasons import BELOW_THRESHOLD, missing_score, of_level
from isheep_worker.selection.interface import Decisions, selection_row


def decide(pair: PairRow, score: ScoreRow, levels: Sequence[str], threshold: float) -> SelectionRow:
    """Return the row of a pair.

    The first level without a score above the threshold gives the reason. Assess may have skipped
    the later levels of such a pair.

    Args:
        pair: The pair.
        score: The scores of the pair.
        levels: The levels that count, in order.
        threshold: The threshold C of section 3.2. Scores are between 1 and 10, so -1 keeps every
            pair that has scores.

    Returns:
        The row, with the scores of the pair by level.

    Raises:
        ValueError: The scores are those of another pair, or a level is missing.
    """
    if pair.id != score.id:
        raise ValueError(f"the scores of {score.id} are at the place of {pair.id}")
    scores = {name: level.score for name, level in score.levels.items() if level.score is not None}
    return selection_row(pair, _reason(score, levels, threshold), scores)


def decisions(context: StageContext[SelectSettings]) -> Decisions:
    """Return the decisions by the scores of the assess stage."""
    settings = context.settings
    threshold = -1 if settings.threshold is None else settings.threshold

    def rows() -> Iterator[SelectionRow]:
        scores = context.rows("scores", SCORES)
        for pair, score in zip(context.rows("pairs", PAIRS), scores, strict=True):
            yield decide(pair, score, settings.levels, threshold)

    return rows


def _reason(score: ScoreRow, levels: Sequence[str], threshold: float) -> str | None:
    if score.rule is not None:
        return score.rule
    for name in levels:
        level = score.levels.get(name)
        if level is None:
            raise ValueError(f"{score.id}: level {name} was not scored")
        if level.score is None:
            return missing_score(level.reason or "unparseable", name)
        if not level.score > threshold:  # a NaN is not above any number
            return of_level(BELOW_THRESHOLD.name, name)
    return None
