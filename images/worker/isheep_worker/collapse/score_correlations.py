"""Kendall's rank correlation of the self-score with the log-probability and with the length.

A score that follows the model's own certainty, or the number of words, measures these and not the
quality of a pair.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from isheep_worker.collapse.interface import Figure, FigureDefinition
from isheep_worker.collapse.row_source import RowSource
from isheep_worker.statistics.interface import CONFIDENCE
from isheep_worker.statistics.rank_correlation import rank_correlation


def _logprob(source: RowSource) -> Figure:
    return _correlation(source.rows.scores, source.rows.logprobs)


def _length(source: RowSource) -> Figure:
    return _correlation(source.rows.scores, source.rows.words)


def _correlation(scores: Any, others: Any) -> Figure:
    known = np.isfinite(others)
    found = rank_correlation(scores[known], others[known])
    if found.interval is None:
        return Figure(None, found.items, found.items)
    width = found.interval.high - found.interval.low
    quantile = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return Figure(found.tau, found.items, found.items, width / (2 * quantile))


FIGURES = (
    FigureDefinition(
        "scoreLogProbabilityTau",
        "Kendall's tau of the score and the mean log-probability of a response, from 50 pairs.",
        "tau",
        "Kendall (1945)",
        _logprob,
    ),
    FigureDefinition(
        "scoreLengthTau",
        "Kendall's tau of the score and the number of words of a response, from 50 pairs.",
        "tau",
        "Kendall (1945)",
        _length,
    ),
)
