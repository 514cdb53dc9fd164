"""The similarity of the answers to different instructions: ROUGE-L F1 to the nearest other answer.

A model that collapses gives nearly the same answer to all instructions.
"""

from __future__ import annotations

from isheep_worker.collapse.answer_source import AnswerSource
from isheep_worker.collapse.interface import Figure, FigureDefinition
from isheep_worker.collapse.nearest import nearest_rouge_l


def _compute(source: AnswerSource) -> Figure:
    responses = source.responses
    return source.figure(nearest_rouge_l(responses, responses, range(len(responses))))


FIGURES = (
    FigureDefinition(
        "answerSimilarity",
        "The mean ROUGE-L F1 of an answer to the nearest answer to another instruction.",
        "F1",
        "Lin (2004)",
        _compute,
    ),
)
