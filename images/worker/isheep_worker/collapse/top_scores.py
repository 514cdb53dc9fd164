"""The share of scored pairs at the top label: the self-scores of a collapsing model saturate."""

from __future__ import annotations

from isheep_worker.collapse.interface import Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.row_source import RowSource

TOP = 9.5
"""The least mean score over levels that rounds to the top label, 10."""


def _compute(source: RowSource) -> Figure:
    return mean_figure(source.rows.scores >= TOP, groups=source.rows.scored_groups)


FIGURES = (
    FigureDefinition(
        "topScoreShare",
        "The share of all scored pairs whose mean score over the levels rounds to 10.",
        "share",
        "the scores of §3.2",
        _compute,
    ),
)
