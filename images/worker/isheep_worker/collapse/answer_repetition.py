"""The repetition inside an answer: the share of its 3-grams that occur earlier in it.

The source is the figure rep-n of Welleck et al. (2020), "Neural text generation with unlikelihood
training": 1 minus the share of different n-grams.
"""

from __future__ import annotations

import numpy as np

from isheep_worker.collapse.answer_source import AnswerSource
from isheep_worker.collapse.interface import Figure, FigureDefinition
from isheep_worker.collapse.n_grams import n_grams

_N = 3


def _compute(source: AnswerSource) -> Figure:
    responses = source.responses
    found, texts = n_grams(responses.flat, responses.text_of_word, _N)
    totals = np.bincount(texts, minlength=len(responses))
    pairs = np.unique(np.stack([texts, found]), axis=1)
    different = np.bincount(pairs[0], minlength=len(responses))
    return source.figure(1 - different / np.maximum(totals, 1) - (totals == 0))


FIGURES = (
    FigureDefinition(
        "answerRepetition",
        "The mean share of the 3-grams of an answer that occur earlier in it; 0 if it has none.",
        "share",
        "Welleck et al. (2020), rep-3",
        _compute,
    ),
)
