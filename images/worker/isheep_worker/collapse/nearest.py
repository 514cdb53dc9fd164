"""The ROUGE-L F1 of texts to the nearest text of a pool, exactly and without all comparisons.

F1 = 2·LCS/(m + n) over the words of two texts, as in deduplication (§3.2). An LCS is never longer
than the overlap of the two bags of words, so the overlap gives an upper bound of F1. The overlaps
of a text with the whole pool come from lists of the texts that contain each word. The LCS is
computed for the texts with the greatest bounds first, until no bound is above the best F1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from isheep_worker.collapse.corpus import Corpus
from isheep_worker.text.spelling import spelling

_FIRST, _NEXT = 32, 512


def nearest_rouge_l(texts: Corpus, pool: Corpus, own: Sequence[int] | None = None) -> Any:
    """Return the ROUGE-L F1 of each text to the nearest text of a pool.

    Args:
        texts: The texts, with the vocabulary of the pool.
        pool: The texts to compare with.
        own: The position of each text in the pool, which is left out; None if no text is in it.

    Returns:
        A float array [texts], between 0 and 1; 0 if the pool has no other text.
    """
    if not len(pool):
        return np.zeros(len(texts))
    search = _Search(texts, pool)
    return np.array(
        [search.nearest(place, None if own is None else own[place]) for place in range(len(texts))]
    )


class _Search:
    """The spellings of texts and of a pool, and for each element the texts of the pool with it.

    An element is a word with the number of its repetition in a text, so the number of elements that
    two texts share is the overlap of their bags of words. Element i of the pool is in the texts
    `_postings[_starts[i]:_starts[i + 1]]`.
    """

    def __init__(self, texts: Corpus, pool: Corpus) -> None:
        self._texts = texts
        self._lengths = pool.lengths
        elements = _elements(pool)
        order = np.argsort(elements, kind="stable")
        names, starts = np.unique(elements[order], return_index=True)
        self._starts = np.append(starts, len(order)).tolist()
        self._postings = pool.text_of_word[order].astype(np.int32)
        self._spellings = _spellings(pool)
        self._spelled_texts = _spellings(texts)
        # The number of each element of the texts among those of the pool; -1 if it has none.
        wanted = _elements(texts)
        found: Any = np.searchsorted(names, wanted)
        found[found == len(names)] = 0
        is_known = names[found] == wanted if len(names) else np.zeros(len(wanted), dtype=bool)
        self._elements: Any = np.where(is_known, found, -1)

    def nearest(self, place: int, own: int | None) -> float:
        """Return the F1 of the text at `place` to the nearest text that is not at `own`."""
        start, end = self._texts.starts[place], self._texts.starts[place + 1]
        postings = [
            self._postings[self._starts[element] : self._starts[element + 1]]
            for element in self._elements[start:end].tolist()
            if element >= 0
        ]
        if not postings:
            return 0.0
        size, count = int(end - start), len(self._lengths)
        overlap = np.bincount(np.concatenate(postings), minlength=count)
        bounds = 2 * overlap / (size + self._lengths)
        if own is not None:
            bounds[own] = 0
        first = np.argpartition(bounds, -min(_FIRST, count))[-_FIRST:]
        best = self._best(place, size, first[bounds[first] > 0])
        bounds[first] = 0
        rest = np.flatnonzero(bounds > best)
        rest = rest[np.argsort(-bounds[rest], kind="stable")]
        for at in range(0, len(rest), _NEXT):
            block = rest[at : at + _NEXT]
            if bounds[block[0]] <= best:
                break
            best = max(best, self._best(place, size, block))
        return best

    def _best(self, place: int, size: int, others: Any) -> float:
        """Return the greatest F1 of a text of `size` words and the texts at `others`."""
        if not len(others):
            return 0.0
        common = process.cdist(
            [self._spelled_texts[place]],
            self._spellings[others],
            scorer=LCSseq.similarity,
            dtype=np.int32,
        )[0]
        return float((2 * common / (size + self._lengths[others])).max())


def _elements(corpus: Corpus) -> Any:
    """Return the element of each word of a corpus, an int64 array in the order of the words."""
    text, word = corpus.text_of_word, corpus.flat.astype(np.int64)
    if not len(word):
        return word
    order = np.lexsort((word, text))
    sorted_text, sorted_word = text[order], word[order]
    begins: Any = np.ones(len(order), dtype=bool)
    begins[1:] = (sorted_text[1:] != sorted_text[:-1]) | (sorted_word[1:] != sorted_word[:-1])
    # The number of the repetition is the distance to the first equal word of the text.
    firsts = np.flatnonzero(begins)
    repetition = np.arange(len(order)) - np.repeat(firsts, np.diff(np.append(firsts, len(order))))
    elements: Any = np.empty(len(order), dtype=np.int64)
    elements[order] = repetition << 32 | sorted_word
    return elements


def _spellings(corpus: Corpus) -> Any:
    """Return the texts in the form in which an LCS is computed, an object array [texts]."""
    found: Any = np.empty(len(corpus), dtype=object)
    words, starts = corpus.flat.tolist(), corpus.starts.tolist()
    for place, (start, end) in enumerate(pairwise(starts)):
        found[place] = spelling(words[start:end])
    return found
