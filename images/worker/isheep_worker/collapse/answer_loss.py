"""The yardstick: the mean loss per token of the outputs of the seed tasks, averaged over tasks.

The yardstick is an alarm and no measure of quality. A training on the model's own texts may raise
it, because these texts differ from the outputs of the seed tasks.
"""

from __future__ import annotations

from isheep_worker.collapse.answer_source import AnswerSource
from isheep_worker.collapse.interface import Figure, FigureDefinition


def _compute(source: AnswerSource) -> Figure:
    losses = (answer.loss for answer in source.answers)
    return source.figure([float("nan") if loss is None else loss for loss in losses])


FIGURES = (
    FigureDefinition(
        "answerLoss",
        "The mean over seed tasks of the mean loss per token of their own outputs.",
        "nats per token",
        "cross-entropy",
        _compute,
    ),
)
