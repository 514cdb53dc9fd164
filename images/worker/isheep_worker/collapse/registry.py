"""The registry of the figures of collapse: those of a training set, and those of answers."""

from __future__ import annotations

from collections.abc import Iterable

from isheep_worker.collapse import (
    answer_cut,
    answer_echo,
    answer_loss,
    answer_repetition,
    answer_similarity,
    answer_words,
    cut_share,
    distinct,
    leading_words,
    lengths,
    log_probability,
    near_copies,
    nearest_instruction,
    score_correlations,
    score_spread,
    seeds_used,
    top_scores,
)
from isheep_worker.collapse.answer_source import Answer, AnswerSource
from isheep_worker.collapse.interface import Figure, FigureDefinition
from isheep_worker.collapse.row_set import Budget, RowSet
from isheep_worker.collapse.row_source import RowSource

ROW_FIGURES: tuple[FigureDefinition[RowSource], ...] = (
    *distinct.FIGURES,
    *nearest_instruction.FIGURES,
    *near_copies.FIGURES,
    *leading_words.FIGURES,
    *seeds_used.FIGURES,
    *lengths.FIGURES,
    *cut_share.FIGURES,
    *score_spread.FIGURES,
    *top_scores.FIGURES,
    *log_probability.FIGURES,
    *score_correlations.FIGURES,
)
ANSWER_FIGURES: tuple[FigureDefinition[AnswerSource], ...] = (
    *answer_loss.FIGURES,
    *answer_words.FIGURES,
    *answer_cut.FIGURES,
    *answer_repetition.FIGURES,
    *answer_similarity.FIGURES,
    *answer_echo.FIGURES,
)


def row_figures(rows: RowSet, earlier: RowSet | None, budget: Budget) -> dict[str, Figure]:
    """Return all figures of a training set, by name.

    Args:
        rows: D(t).
        earlier: D(1) to D(t-1) as one set with the same vocabulary; None at t = 1. If it has fewer
            rows than the budget, there are no figures about it: fewer rows have fewer near ones.
        budget: The equal size to which all compared sets are cut.
    """
    if earlier is not None and len(earlier.responses) < budget.rows:
        earlier = None
    source = RowSource(rows.limited(budget), None if earlier is None else earlier.limited(budget))
    return {figure.name: figure.compute(source) for figure in ROW_FIGURES}


def answer_figures(answers: Iterable[Answer]) -> dict[str, Figure]:
    """Return all figures of the answers of one model, by name; each is paired by instruction."""
    source = AnswerSource(tuple(answers))
    return {figure.name: figure.compute(source) for figure in ANSWER_FIGURES}
