"""The mean number of words of the answers to the instructions that every M(t) gets."""

from __future__ import annotations

from isheep_worker.collapse.answer_source import AnswerSource
from isheep_worker.collapse.interface import Figure, FigureDefinition


def _compute(source: AnswerSource) -> Figure:
    return source.figure(source.responses.lengths)


FIGURES = (
    FigureDefinition(
        "answerWords",
        "The mean number of words of an answer.",
        "words",
        "the words of deduplication",
        _compute,
    ),
)
