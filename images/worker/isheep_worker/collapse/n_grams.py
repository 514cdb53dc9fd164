"""The numbers of n-grams, as one integer for each n-gram, for texts as word numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


def n_grams(words: Any, texts: Any, n: int) -> tuple[Any, Any]:
    """Return the n-grams of texts; no n-gram contains words of two texts.

    Args:
        words: The word numbers of all texts, an integer array [words].
        texts: The position of the text of each word, an ascending integer array [words].
        n: The number of words of an n-gram, from 1.

    Returns:
        A number for each n-gram, equal for equal n-grams, and its text; int64 arrays [n-grams].
    """
    words, texts = np.asarray(words, dtype=np.int64), np.asarray(texts, dtype=np.int64)
    codes = words
    for _ in range(n - 1):
        # The numbers are made small again in each step, so that their products fit 64 bits.
        firsts, lasts = _ranks(codes[:-1]), _ranks(words)[len(words) - len(codes) + 1 :]
        codes = firsts * (int(lasts.max(initial=0)) + 1) + lasts
    first_texts, last_texts = texts[: len(codes)], texts[len(texts) - len(codes) :]
    whole = first_texts == last_texts
    return codes[whole], first_texts[whole]


def _ranks(numbers: Any) -> Any:
    return np.unique(numbers, return_inverse=True)[1]
