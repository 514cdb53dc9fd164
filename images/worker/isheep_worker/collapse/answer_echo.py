"""The share of an answer that is copied from its instruction: the 3-grams that both have."""

from __future__ import annotations

import numpy as np

from isheep_worker.collapse.answer_source import AnswerSource
from isheep_worker.collapse.interface import Figure, FigureDefinition
from isheep_worker.collapse.n_grams import n_grams

_N = 3


def _compute(source: AnswerSource) -> Figure:
    instructions, responses = source.instructions, source.responses
    count = len(responses)
    # In one array the n-grams of both get common numbers. The texts of the answers are at the end.
    words = np.concatenate([instructions.flat, responses.flat])
    places = np.concatenate([instructions.text_of_word, responses.text_of_word + count])
    found, texts = n_grams(words, places, _N)
    asked, answered = texts < count, texts >= count
    keys = found * count + texts % max(count, 1)
    copied = np.isin(keys[answered], keys[asked])
    totals = np.bincount(texts[answered] - count, minlength=count)
    copies = np.bincount(texts[answered] - count, weights=copied, minlength=count)
    return source.figure(copies / np.maximum(totals, 1))


FIGURES = (
    FigureDefinition(
        "answerEcho",
        "The mean share of the 3-grams of an answer that its own instruction has; 0 without any.",
        "share",
        "n-gram overlap",
        _compute,
    ),
)
