"""The spread of the self-scores: the mean distance from their median.

If the assessor gives all pairs the same score, the selection is arbitrary. The mean distance from
the median is the figure that the test of Brown and Forsythe (1974) compares. Unlike a standard
deviation, it is a mean over pairs, so its standard error is simple.
"""

from __future__ import annotations

import numpy as np

from isheep_worker.collapse.interface import NO_FIGURE, Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.row_source import RowSource


def _compute(source: RowSource) -> Figure:
    scores = source.rows.scores
    if not len(scores):
        return NO_FIGURE
    return mean_figure(np.abs(scores - np.median(scores)), groups=source.rows.scored_groups)


FIGURES = (
    FigureDefinition(
        "scoreSpread",
        "The mean distance of the scores of all scored pairs from their median.",
        "points",
        "Brown and Forsythe (1974)",
        _compute,
    ),
)
