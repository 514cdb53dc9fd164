"""The share of the answers that the length limit cut."""

from __future__ import annotations

from isheep_worker.collapse.answer_source import AnswerSource
from isheep_worker.collapse.interface import Figure, FigureDefinition


def _compute(source: AnswerSource) -> Figure:
    return source.figure([answer.finish_reason == "length" for answer in source.answers])


FIGURES = (
    FigureDefinition(
        "answerCutShare",
        "The share of answers that ended at the length limit.",
        "share",
        "the finish reason of the engine",
        _compute,
    ),
)
