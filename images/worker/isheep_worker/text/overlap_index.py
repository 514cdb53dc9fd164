"""Finds the texts that could have as long a common subsequence with a text as is asked for.

Comparing everything with everything is quadratic. It is avoided without losing a
pair, as in set similarity joins. An LCS of k words needs an overlap of k words,
counted with repetitions. So, with all words in one fixed order (rare ones first),
two texts that overlap enough share one of their first few words (prefix filter),
and the first that they share stands early enough in both for what follows it to
suffice (positional filter). Only texts for which both hold are candidates.

The order decides how much work is done and never what is found. It is taken anew
when the pool has doubled, and when looking has cost as much as that would have:
words that were rare may have become common.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

_FEW_HITS = 4096
_FIRST_BLOCK = 128
_HITS_WORTH_A_TEXT = 1000
"""Roughly how many postings are looked through in the time that indexing one text takes."""


class Threshold:
    """A bound on the ROUGE-L F1 of two texts, as conditions on whole numbers of words."""

    def __init__(self, max_rouge_l: Fraction) -> None:
        """Take a bound from 0 to 1."""
        self._p, self._q = max_rouge_l.numerator, max_rouge_l.denominator
        self._table: Any = np.empty(0, dtype=np.int64)

    def least(self, total: int) -> int:
        """Return the least LCS that takes two texts of `total` words together above the bound.

        F1 = 2·LCS / total > p/q is 2q·LCS > p·total.
        """
        return self._p * total // (2 * self._q) + 1

    def least_of_each(self, totals: Any) -> Any:
        """Return `least` of each number of a numpy array."""
        size = int(totals.max(initial=0)) + 1
        if size > len(self._table):
            self._table = np.array([self.least(total) for total in range(2 * size)], dtype=np.int64)
        return self._table[totals]

    def least_of_any(self, length: int) -> int:
        """Return the least LCS that takes a text of `length` words above it with any other."""
        # With the shortest, then; and as an LCS is no longer than it: 2q·n > p·(length + n).
        shortest = self._p * length // (2 * self._q - self._p) + 1
        return self.least(length + shortest)


class OverlapIndex:
    """Texts as word numbers, in order, and the question which of them a text could be near to."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self._texts: list[array[int]] = []
        self._lengths = array("I")
        self._frequencies: Mapping[int, int] = {}
        self._postings: dict[int, _Posting] = {}
        self._listed = self._ordered = self._hits = 0

    def add(self, text: array[int]) -> None:
        """Put a text at the next position."""
        self._texts.append(text)
        self._lengths.append(len(text))

    def candidates(self, text: array[int]) -> Iterator[Any]:
        """Yield the positions of all texts that could be near enough, as ascending numpy arrays.

        Where there may be many they come in blocks that grow, so that whoever looks
        for the first does not pay for all.
        """
        self._list()
        length, count = len(text), len(self._texts)
        postings = [
            (length - rank, posting)
            for rank, element in enumerate(self._prefix(text))
            if (posting := self._postings.get(element)) is not None
        ]
        hits = sum(len(posting.positions) for _, posting in postings)
        start, end = 0, count if hits <= _FEW_HITS else _FIRST_BLOCK
        while hits and start < count:
            yield self._block(postings, start, end, length)
            start, end = end, 8 * end

    def _block(
        self, postings: list[tuple[int, _Posting]], start: int, end: int, length: int
    ) -> Any:
        """Return the candidates from position `start` up to `end`."""
        # Arrays grow by copying memory, which for many short ones beats joining numpy's.
        positions, rests, own_rests, counts = array("I"), array("I"), [], []
        for rest, posting in postings:
            part = posting.between(start, end)
            positions += posting.positions[part]
            rests += posting.rests[part]
            own_rests.append(rest)
            counts.append(part.stop - part.start)
        self._hits += len(positions)
        hits = np.array(positions, dtype=np.uint32)
        totals = np.frombuffer(self._lengths, dtype=np.uint32)[hits] + length
        # Should a hit be the first element that two texts share, they share none before it.
        overlap = np.minimum(np.array(rests, dtype=np.int64), np.repeat(own_rests, counts))
        return np.unique(hits[overlap >= self._threshold.least_of_each(totals)])

    def _list(self) -> None:
        """List the texts that were added since, or all of them anew where that pays."""
        count = len(self._texts)
        if count >= 2 * self._ordered or self._hits > _HITS_WORTH_A_TEXT * count:
            self._frequencies = Counter(word for text in self._texts for word in set(text))
            self._postings = {}
            self._listed, self._ordered, self._hits = 0, count, 0
        for position in range(self._listed, count):
            text = self._texts[position]
            for rank, element in enumerate(self._prefix(text)):
                posting = self._postings.get(element)
                if posting is None:
                    posting = self._postings[element] = _Posting()
                posting.add(position, len(text) - rank)
        self._listed = count

    def _prefix(self, text: array[int]) -> list[int]:
        """Return the elements of a text under which every text near enough is found.

        A text that shares k of its m elements has one of them among the first m - k + 1.
        """
        size = len(text) - self._threshold.least_of_any(len(text)) + 1
        return _elements(text, self._frequencies)[:size] if size > 0 else []


class _Posting:
    """Where an element stands: positions of texts, ascending.

    And for each how many elements that text has from this one on, itself included.
    """

    __slots__ = ("positions", "rests")

    def __init__(self) -> None:
        self.positions = array("I")
        self.rests = array("I")

    def add(self, position: int, rest: int) -> None:
        self.positions.append(position)
        self.rests.append(rest)

    def between(self, start: int, end: int) -> slice:
        """Return where the positions from `start` up to `end` stand."""
        return slice(bisect_left(self.positions, start), bisect_left(self.positions, end))


def _elements(text: array[int], frequencies: Mapping[int, int]) -> list[int]:
    """Return a text's elements in the fixed order.

    An element is a word with its repetition (the second `the` of a text is another
    element than the first), so that the overlap of two sets of elements is the
    overlap of two bags of words.
    """
    seen: dict[int, int] = {}
    ordered: list[tuple[int, int]] = []
    for word in text:
        repetition = seen.get(word, 0)
        seen[word] = repetition + 1
        # Words that came after the frequencies were counted are rare: they come first.
        ordered.append((frequencies.get(word, 0), repetition << 32 | word))
    ordered.sort()
    return [element for _, element in ordered]
