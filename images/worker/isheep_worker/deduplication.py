"""Drops instructions that nearly repeat an earlier one: ROUGE-L F1 above a threshold.

The decision is exact and global. Without stemming F1 = 2·LCS/(m+n) over the two
word lists, so F1 > p/q is the comparison 2q·LCS > p(m+n) between integers. For
ASCII texts that is `rouge_score`'s value (see `tokenization` for the others), but
for its rounding: its floats call some pairs at 7/10 exactly 0.7000000000000001.

Comparing everything with everything is quadratic. It is avoided without losing
a pair, by prefix filtering (as in set similarity joins): two texts can only
pass the threshold if their words, counted with repetitions, overlap in at least
as many places as their LCS would need. So, with all words in one fixed order
(rare ones first), each text needs to be listed only under its first few words,
and only texts that share one of those are compared, by rapidfuzz. The order
changes how much work is done and never a decision.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from isheep_worker.tokenization import words


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The nearest text of the pool, its index there, and the exact ROUGE-L F1."""

    index: int
    text: str
    score: Fraction


class Deduplicator:
    """A pool of texts, in order, and the question whether a text nearly repeats one of them.

    Indices count all texts of the pool, given or accepted, from 0. Memory is a few
    hundred bytes a text.
    """

    def __init__(self, max_rouge_l: float | str | Decimal | Fraction) -> None:
        """Set the threshold, 0 to 1: F1 above it is a duplicate. 0.7 means 7/10 exactly."""
        threshold = Fraction(str(max_rouge_l))
        if not 0 <= threshold <= 1:
            raise ValueError(f"max_rouge_l is {max_rouge_l}; it must lie between 0 and 1")
        self._p, self._q = threshold.numerator, threshold.denominator
        self._word_ids: dict[str, int] = {}
        self._texts: list[str] = []
        self._pool: list[array[int]] = []
        self._symbols: list[_Symbols] = []
        self._lengths = array("I")
        self._index = _Index({})
        self._indexed = 0

    def __len__(self) -> int:
        """Return how many texts the pool holds."""
        return len(self._pool)

    def extend_pool(self, texts: Iterable[str]) -> None:
        """Add texts to the pool as they are, near repetitions among them included."""
        for text in texts:
            self._add(text, self._ids(text))

    def accept(self, texts: Sequence[str]) -> list[Duplicate | None]:
        """Compare each text with the pool and, where it repeats nothing, add it.

        Text i is compared with the pool and with the accepted ones before it, so the
        answers are the same however a sequence of texts is cut into calls.
        """
        return [self._accept(text) for text in texts]

    def _accept(self, text: str) -> Duplicate | None:
        ids = self._ids(text)
        nearest = self._nearest(ids)
        if nearest is None:
            self._add(text, ids)
        return nearest

    def _ids(self, text: str) -> array[int]:
        known = self._word_ids
        return array("I", [known.setdefault(word, len(known)) for word in words(text)])

    def _add(self, text: str, ids: array[int]) -> None:
        self._texts.append(text)
        self._pool.append(ids)
        self._symbols.append(_symbols(ids))
        self._lengths.append(len(ids))
        if len(self._pool) >= 2 * self._indexed:
            self._rebuild()
        else:
            self._index.add(len(self._pool) - 1, self._prefix(ids))

    def _rebuild(self) -> None:
        """Index the pool anew, by how frequent its words are now; amortised, linear."""
        self._index = _Index(Counter(word for ids in self._pool for word in set(ids)))
        self._indexed = len(self._pool)
        for position, ids in enumerate(self._pool):
            self._index.add(position, self._prefix(ids))

    def _nearest(self, ids: array[int]) -> Duplicate | None:
        length = len(ids)
        found = self._index.candidates(self._prefix(ids))
        lengths = np.frombuffer(self._lengths, dtype=np.uint32)[found]
        fits = (self._shortest(length) <= lengths) & (lengths <= self._longest(length))
        candidates = found[fits].tolist()
        if not candidates:
            return None
        common = process.cdist(
            [_symbols(ids)],
            [self._symbols[i] for i in candidates],
            scorer=LCSseq.similarity,
            score_cutoff=self._least_overlap(length),
            dtype=np.int32,
        )[0]
        best: Duplicate | None = None
        for k in np.flatnonzero(common).tolist():
            position, lcs = candidates[k], int(common[k])
            total = length + self._lengths[position]
            if 2 * self._q * lcs > self._p * total:
                score = Fraction(2 * lcs, total)
                if best is None or score > best.score:
                    best = Duplicate(position, self._texts[position], score)
        return best

    # The LCS is at most the shorter text's length: 2q·min(m, n) > p(m + n).

    def _shortest(self, length: int) -> int:
        return self._p * length // (2 * self._q - self._p) + 1

    def _longest(self, length: int) -> int:
        if self._p == 0:
            return _MAX_LENGTH
        return min(((2 * self._q - self._p) * length - 1) // self._p, _MAX_LENGTH)

    def _least_overlap(self, length: int) -> int:
        """Return the LCS that the shortest text which could repeat one needs; none needs less."""
        return self._p * (length + self._shortest(length)) // (2 * self._q) + 1

    def _prefix(self, ids: array[int]) -> list[_Element]:
        """Return the elements of a text under which every text that it could repeat is found.

        A text that shares the least overlap of its m elements has one of them among the
        first m - overlap + 1.
        """
        size = len(ids) - self._least_overlap(len(ids)) + 1
        return self._index.first_elements(ids, size) if size > 0 else []


_MAX_LENGTH = 2**32 - 1
_Element = tuple[int, int]
_Symbols: TypeAlias = "str | array[int]"


def _symbols(ids: array[int]) -> _Symbols:
    """Return word numbers as a text of one character a word, which rapidfuzz reads fastest.

    Beyond the last code point (after 1.1 million different words) they stay numbers;
    rapidfuzz takes a character for its code point, so both kinds can be compared.
    """
    return ids if max(ids, default=0) > sys.maxunicode else "".join(map(chr, ids))


class _Index:
    """Which texts are listed under which elements.

    An element is a word with its repetition (the second `the` of a text is another
    element than the first), so that the overlap of two sets of elements is the
    overlap of two bags of words.
    """

    def __init__(self, frequencies: dict[int, int]) -> None:
        self._frequencies = frequencies
        self._positions: dict[_Element, array[int]] = {}

    def first_elements(self, ids: array[int], size: int) -> list[_Element]:
        seen: dict[int, int] = {}
        elements: list[_Element] = []
        for word in ids:
            repetition = seen.get(word, 0)
            seen[word] = repetition + 1
            elements.append((word, repetition))
        # Words that came after the frequencies were counted are rare: they come first.
        frequency = self._frequencies.get
        elements.sort(key=lambda element: (frequency(element[0], 0), element))
        return elements[:size]

    def add(self, position: int, elements: Iterable[_Element]) -> None:
        for element in elements:
            self._positions.setdefault(element, array("I")).append(position)

    def candidates(self, elements: Iterable[_Element]) -> Any:
        """Return the positions listed under any of the elements, ascending, as a numpy array."""
        lists = [self._positions[element] for element in elements if element in self._positions]
        if not lists:
            return np.empty(0, dtype=np.uint32)
        return np.unique(np.concatenate([np.frombuffer(one, dtype=np.uint32) for one in lists]))
