"""An index of the texts whose longest common subsequence (LCS) with a text may be long enough.

The comparison of all pairs takes quadratic time. The index avoids it without the loss of a pair, as
set similarity joins do. An LCS of k words requires an overlap of k words, repetitions included. All
words are in one fixed order, rare words first. Then two texts that overlap enough share one of
their first few words (prefix filter), and the first shared word is early enough in both texts for
the remaining words to suffice (positional filter). Only texts that pass both filters are
candidates.

The order of words changes the amount of work and never the result. The index computes the order
again when the pool has doubled, and when the searches have taken as much time as that computation
would: words that were rare may have become common.
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
"""The approximate number of postings that can be read in the time that indexing one text takes."""


class Threshold:
    """A bound on the ROUGE-L F1 of two texts, as conditions on numbers of words."""

    def __init__(self, max_rouge_l: Fraction) -> None:
        """Take a bound between 0 and 1."""
        self._p, self._q = max_rouge_l.numerator, max_rouge_l.denominator
        self._table: Any = np.empty(0, dtype=np.int64)

    def least(self, total: int) -> int:
        """Return the length of the shortest LCS for which F1 is above the bound p/q.

        F1 = 2·LCS / total > p/q is the same as 2q·LCS > p·total.

        Args:
            total: The number of words of both texts together.

        Returns:
            The number of words of the LCS.
        """
        return self._p * total // (2 * self._q) + 1

    def least_of_each(self, totals: Any) -> Any:
        """Return `least` of each number of a numpy array, as an int64 array of the same shape."""
        size = int(totals.max(initial=0)) + 1
        if size > len(self._table):
            self._table = np.array([self.least(total) for total in range(2 * size)], dtype=np.int64)
        return self._table[totals]

    def least_of_any(self, length: int) -> int:
        """Return the length of the shortest LCS that suffices for a text of `length` words.

        The function returns the least value over all texts that the text may be compared with.
        """
        # The shortest other text needs the shortest LCS. An LCS is at most as long as that text,
        # so its length n satisfies 2q·n > p·(length + n).
        shortest = self._p * length // (2 * self._q - self._p) + 1
        return self.least(length + shortest)


class OverlapIndex:
    """Texts as word numbers, in order, with a search for those that a text may nearly repeat."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self._texts: list[array[int]] = []
        self._lengths = array("I")
        self._frequencies: Mapping[int, int] = {}
        self._postings: dict[int, _Posting] = {}
        self._listed = self._ordered = self._hits = 0

    def add(self, text: array[int]) -> None:
        """Add a text at the next position."""
        self._texts.append(text)
        self._lengths.append(len(text))

    def candidates(self, text: array[int]) -> Iterator[Any]:
        """Yield the positions of all texts that may be above the bound with a text.

        If there may be many positions, they come in blocks of growing size, so a caller that needs
        only the first match does not pay for all of them.

        Args:
            text: The numbers of the text's words; 0 is any word that no text of the index has.

        Yields:
            Ascending numpy arrays of positions.
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
        # Many short pieces: to extend an array is faster than to concatenate numpy arrays.
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
        # If the hit is the first element that two texts share, they share no earlier element, so
        # their overlap is at most the number of elements from there on.
        overlap = np.minimum(np.array(rests, dtype=np.int64), np.repeat(own_rests, counts))
        return np.unique(hits[overlap >= self._threshold.least_of_each(totals)])

    def _list(self) -> None:
        """List the texts that were added since, or list all of them again if that saves time."""
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
        """Return the elements of a text that lead to every text above the bound.

        If a text shares k of its m elements, one of these k is among its first m - k + 1.
        """
        size = len(text) - self._threshold.least_of_any(len(text)) + 1
        return _elements(text, self._frequencies)[:size] if size > 0 else []


class _Posting:
    """The texts that contain an element: their positions, ascending.

    `rests` contains for each position the number of elements of the text from this element to the
    end, this element included.
    """

    __slots__ = ("positions", "rests")

    def __init__(self) -> None:
        self.positions = array("I")
        self.rests = array("I")

    def add(self, position: int, rest: int) -> None:
        self.positions.append(position)
        self.rests.append(rest)

    def between(self, start: int, end: int) -> slice:
        """Return the slice of the positions from `start` up to `end`."""
        return slice(bisect_left(self.positions, start), bisect_left(self.positions, end))


def _elements(text: array[int], frequencies: Mapping[int, int]) -> list[int]:
    """Return the elements of a text in the fixed order.

    An element is a word with the number of its repetition: the second `the` of a text is a
    different element from the first. So the overlap of two sets of elements is the overlap of two
    bags of words.
    """
    seen: dict[int, int] = {}
    ordered: list[tuple[int, int]] = []
    for word in text:
        repetition = seen.get(word, 0)
        seen[word] = repetition + 1
        # A word that the counts do not contain is rare, so it comes first.
        ordered.append((frequencies.get(word, 0), repetition << 32 | word))
    ordered.sort()
    return [element for _, element in ordered]
