"""distinct-n: the share of different n-grams among all n-grams of the responses.

The source is Li et al. (2016), "A diversity-promoting objective function for neural conversation
models". The share falls when there are more words, so all sets are cut to the same number of words.
The words are divided into segments of equal size, and the figure is the mean over segments, as in
the mean segmental type-token ratio (Johnson 1944). The spread between segments gives the standard
error.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from isheep_worker.collapse.interface import Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.n_grams import n_grams
from isheep_worker.collapse.row_source import RowSource

SEGMENTS, MIN_SEGMENT = 40, 250
"""The number of segments, and the least number of words of one if there is more than one."""


def _distinct(n: int) -> Callable[[RowSource], Figure]:
    def compute(source: RowSource) -> Figure:
        rows = source.rows
        count = min(rows.budget.words, len(rows.responses.flat))
        words, texts = rows.responses.flat[:count], rows.responses.text_of_word[:count]
        segments = max(1, min(SEGMENTS, count // MIN_SEGMENT))
        bounds: Any = np.arange(segments + 1) * (count // segments)
        return mean_figure(
            [_share(words[start:end], texts[start:end], n) for start, end in pairwise(bounds)]
        )

    return compute


def _share(words: Any, texts: Any, n: int) -> float:
    found, _ = n_grams(words, texts, n)
    return len(np.unique(found)) / len(found) if len(found) else float("nan")


FIGURES = tuple(
    FigureDefinition(
        name=f"distinct{n}",
        meaning=f"The share of different {n}-grams among all {n}-grams of the responses.",
        unit="share",
        source="Li et al. (2016)",
        compute=_distinct(n),
    )
    for n in (1, 2, 3)
)
