"""The share of responses that the length limit cut: a model that no longer stops has more."""

from __future__ import annotations

from isheep_worker.collapse.interface import Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.row_source import RowSource


def _compute(source: RowSource) -> Figure:
    return mean_figure(source.rows.cut, groups=source.rows.groups)


FIGURES = (
    FigureDefinition(
        "cutShare",
        "The share of responses that ended at the length limit.",
        "share",
        "the finish reason of the engine",
        _compute,
    ),
)
