"""Self-assessment: a pair is kept if and only if each asked level's score is above C.

Above, strictly: at the paper's C = 8 only 9 and 10 are kept (section 3.2). A pair
without a score on a level is never kept, whatever C is.
"""

from __future__ import annotations

from collections.abc import Sequence

from isheep_worker.rows.schema import LevelScore, PairRow, ScoreRow, SelectionRow
from isheep_worker.selection.interface import selection_row


def decide(pair: PairRow, score: ScoreRow, levels: Sequence[str], threshold: float) -> SelectionRow:
    """Return a pair's row for the asked levels, in order, and the threshold C.

    The first level that is against the pair gives the reason; later ones need not
    have been asked then. Raises `ValueError` where the rows do not belong together.
    """
    if pair.id != score.id:
        raise ValueError(f"the scores of {score.id} stand where those of {pair.id} should")
    scores = {name: level.score for name, level in score.levels.items() if level.score is not None}
    return selection_row(pair, _reason(score, levels, threshold), scores)


def _reason(score: ScoreRow, levels: Sequence[str], threshold: float) -> str | None:
    if score.rule is not None:
        return f"rule:{score.rule}"
    for name in levels:
        level = score.levels.get(name)
        if level is None:
            raise ValueError(f"{score.id}: level {name} was not scored")
        if level.score is None:
            return f"{_failure(level)}:{name}"
        if not level.score > threshold:  # a NaN is above nothing
            return f"score:{name}"
    return None


def _failure(level: LevelScore) -> str:
    """Return `unparseable` or `unscorable`, without the kind that the assessor adds."""
    return (level.reason or "unparseable").partition(":")[0]
