"""The share of near copies: instructions with a ROUGE-L F1 above the limit of curation (§3.2).

Curation drops near copies in the pool of one iteration, so the copies of earlier iterations are the
ones to watch.
"""

from __future__ import annotations

from isheep.contract.choices import MAX_ROUGE_L
from isheep_worker.collapse.interface import NO_FIGURE, Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.row_source import RowSource


def _within(source: RowSource) -> Figure:
    return mean_figure(source.nearest > MAX_ROUGE_L, groups=source.drawn_groups)


def _earlier(source: RowSource) -> Figure:
    if source.nearest_earlier is None:
        return NO_FIGURE
    return mean_figure(source.nearest_earlier > MAX_ROUGE_L, groups=source.drawn_groups)


_SOURCE = "Wang et al. (2023): the limit of 0.7"

FIGURES = (
    FigureDefinition(
        "nearCopies",
        "The share of instructions of D(t) that nearly repeat another one of D(t).",
        "share",
        _SOURCE,
        _within,
    ),
    FigureDefinition(
        "nearCopiesOfEarlier",
        "The share of instructions of D(t) that nearly repeat one of D(1) to D(t-1).",
        "share",
        _SOURCE,
        _earlier,
    ),
)
