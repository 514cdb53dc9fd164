"""Deduplication: the search for instructions that nearly repeat an earlier one by ROUGE-L (§3.2).

The decision is exact and global. Without stemming, F1 = 2·LCS/(m+n) over the two lists of words, so
F1 > p/q is the comparison 2q·LCS > p(m+n) of integers. For ASCII texts this is the value of
`rouge_score` (see `tokenization` for other texts) without its rounding: with floats, some pairs at
exactly 7/10 have the value 0.7000000000000001.

`overlap_index` finds the texts that need a comparison, and rapidfuzz computes their LCS. Two texts
with the same words need neither, so a pool of a thousand copies costs no more than one copy.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from isheep_worker.text.overlap_index import OverlapIndex, Threshold
from isheep_worker.text.spelling import Spelling, spelling
from isheep_worker.text.tokenization import words


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The first text of the pool that a text repeats, and the exact ROUGE-L F1 of the two."""

    text: str
    score: Fraction


class Deduplicator:
    """An ordered pool of texts, with a search for the text that another text nearly repeats.

    The memory is a few hundred bytes a text. The time grows with the number of pairs that share
    rare words, and for such a pair with the product of the lengths of its texts.
    """

    def __init__(self, max_rouge_l: float | str | Decimal | Fraction) -> None:
        """Set the threshold: a text is a duplicate if its F1 is above it.

        Args:
            max_rouge_l: A number between 0 and 1, read as a decimal: 0.7 means exactly 7/10.

        Raises:
            ValueError: The threshold is not a number between 0 and 1.
        """
        bound = Fraction(str(max_rouge_l))
        if not 0 <= bound <= 1:
            raise ValueError(f"max_rouge_l is {max_rouge_l}; it must be between 0 and 1")
        self.max_rouge_l = bound
        self._threshold = Threshold(bound)
        self._index = OverlapIndex(self._threshold)
        self._word_numbers: dict[str, int] = {}
        self._texts: list[str] = []
        self._spellings: Any = np.empty(1024, dtype=object)
        self._known: dict[Spelling, int] = {}

    def add(self, text: str) -> int:
        """Add a text to the pool, without a comparison, and return its position in the pool.

        A text with the same words as an earlier one is not added; it has the earlier position.
        """
        known = self._word_numbers
        numbers = array("I", [known.setdefault(word, len(known) + 1) for word in words(text)])
        spelled = spelling(numbers)
        if spelled in self._known:
            # A text that repeats this one repeats the earlier copy first.
            return self._known[spelled]
        position = self._known[spelled] = len(self._texts)
        if position == len(self._spellings):
            self._spellings = np.concatenate([self._spellings, np.empty(position, dtype=object)])
        self._spellings[position] = spelled
        self._texts.append(text)
        self._index.add(numbers)
        return position

    def extend_pool(self, texts: Iterable[str]) -> None:
        """Add texts to the pool, without a comparison."""
        for text in texts:
            self.add(text)

    def find(self, text: str) -> Duplicate | None:
        """Return the first text of the pool that a text nearly repeats.

        Args:
            text: The text that is compared with the pool.

        Returns:
            The text of the pool and the F1, or None if the text repeats none.
        """
        for position, score in self._matches(text):
            return Duplicate(self._texts[position], score)
        return None

    def positions(self, text: str) -> Iterator[int]:
        """Yield the positions of all texts of the pool that a text nearly repeats, in order."""
        for position, _ in self._matches(text):
            yield position

    def _matches(self, text: str) -> Iterator[tuple[int, Fraction]]:
        """Yield the positions and the exact F1 of all texts that a text nearly repeats."""
        # The number 0 represents every word that the pool does not have; no LCS contains it.
        known = self._word_numbers
        numbers = array("I", [known.get(word, 0) for word in words(text)])
        spelled, length = spelling(numbers), len(numbers)
        for positions in self._index.candidates(numbers):
            if not len(positions):
                continue
            others = self._spellings[positions]
            common = process.cdist(
                [spelled],
                others,
                scorer=LCSseq.similarity,
                score_cutoff=self._threshold.least_of_any(length),
                dtype=np.int32,
            )[0]
            for k in np.flatnonzero(common).tolist():
                lcs, total = int(common[k]), length + len(others[k])
                if lcs >= self._threshold.least(total):
                    yield int(positions[k]), Fraction(2 * lcs, total)

    def accept(self, texts: Iterable[str]) -> list[Duplicate | None]:
        """Compare each text with the pool, and add the text if it repeats none.

        Text i is compared with the pool and with the accepted texts before it, so the result does
        not depend on how a sequence of texts is divided into calls.

        Args:
            texts: The texts, in order.

        Returns:
            For each text, the text that it repeats, or None if it was added.
        """
        return [self._accept(text) for text in texts]

    def _accept(self, text: str) -> Duplicate | None:
        repeated = self.find(text)
        if repeated is None:
            self.add(text)
        return repeated
