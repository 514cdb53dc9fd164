"""The mean numbers of words of instructions and of responses."""

from __future__ import annotations

from isheep_worker.collapse.interface import Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.row_source import RowSource


def _instructions(source: RowSource) -> Figure:
    return mean_figure(source.rows.instructions.lengths, groups=source.rows.groups)


def _responses(source: RowSource) -> Figure:
    return mean_figure(source.rows.responses.lengths, groups=source.rows.groups)


FIGURES = (
    FigureDefinition(
        "instructionWords",
        "The mean number of words of an instruction with its input.",
        "words",
        "the words of deduplication",
        _instructions,
    ),
    FigureDefinition(
        "responseWords",
        "The mean number of words of a response.",
        "words",
        "the words of deduplication",
        _responses,
    ),
)
