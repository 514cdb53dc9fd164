"""The mean log-probability of the sampled tokens: a model that collapses becomes more certain."""

from __future__ import annotations

from isheep_worker.collapse.interface import Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.row_source import RowSource


def _compute(source: RowSource) -> Figure:
    return mean_figure(source.rows.kept_logprobs, groups=source.rows.groups)


FIGURES = (
    FigureDefinition(
        "logProbability",
        "The mean over responses of the mean log-probability of their sampled tokens.",
        "nats per token",
        "the log-probabilities of the engine",
        _compute,
    ),
)
