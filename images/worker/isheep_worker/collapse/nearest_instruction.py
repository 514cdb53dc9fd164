"""The similarity of instructions to the nearest other one: in D(t), and in D(1…t-1).

The source is Self-Instruct (Wang et al. 2023), which shows the ROUGE-L of each new instruction to
the most similar seed task. Here the pool is the whole set, because a model that collapses repeats
itself.
"""

from __future__ import annotations

from isheep_worker.collapse.interface import NO_FIGURE, Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.row_source import RowSource


def _within(source: RowSource) -> Figure:
    return mean_figure(source.nearest, groups=source.drawn_groups)


def _earlier(source: RowSource) -> Figure:
    if source.nearest_earlier is None:
        return NO_FIGURE
    return mean_figure(source.nearest_earlier, groups=source.drawn_groups)


_SOURCE = "Wang et al. (2023), with the set itself as the pool"

FIGURES = (
    FigureDefinition(
        "nearestInstruction",
        "The mean ROUGE-L F1 of an instruction of D(t) to the nearest other one of D(t).",
        "F1",
        _SOURCE,
        _within,
    ),
    FigureDefinition(
        "nearestEarlierInstruction",
        "The mean ROUGE-L F1 of an instruction of D(t) to the nearest one of D(1) to D(t-1).",
        "F1",
        _SOURCE,
        _earlier,
    ),
)
