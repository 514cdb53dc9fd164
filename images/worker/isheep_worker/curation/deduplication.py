"""Drops instructions that nearly repeat an earlier one: ROUGE-L F1 above a threshold.

The decision is exact and global. Without stemming F1 = 2·LCS/(m+n) over the two
word lists, so F1 > p/q is the comparison 2q·LCS > p(m+n) between integers. For
ASCII texts that is `rouge_score`'s value (see `tokenization` for the others), but
for its rounding: its floats call some pairs at 7/10 exactly 0.7000000000000001.

The texts worth comparing come from `overlap_index`, their LCS from rapidfuzz. Texts
of the same words are known without either, so a pool of a thousand copies costs no
more than one of them.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from isheep_worker.text.overlap_index import OverlapIndex, Threshold
from isheep_worker.text.tokenization import words


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The first text of the pool that is repeated, and the exact ROUGE-L F1."""

    text: str
    score: Fraction


class Deduplicator:
    """A pool of texts, in order, and the question whether a text nearly repeats one of them.

    Memory is a few hundred bytes a text. Time grows with the pairs that share rare
    words, and for such a pair with the product of the two texts' lengths.
    """

    def __init__(self, max_rouge_l: float | str | Decimal | Fraction) -> None:
        """Set the threshold, 0 to 1: F1 above it is a duplicate. 0.7 means 7/10 exactly."""
        bound = Fraction(str(max_rouge_l))
        if not 0 <= bound <= 1:
            raise ValueError(f"max_rouge_l is {max_rouge_l}; it must lie between 0 and 1")
        self._threshold = Threshold(bound)
        self._index = OverlapIndex(self._threshold)
        self._word_numbers: dict[str, int] = {}
        self._texts: list[str] = []
        self._spellings: Any = np.empty(1024, dtype=object)
        self._known: set[_Spelling] = set()

    def add(self, text: str) -> None:
        """Add a text to the pool as it is, a near repetition or not."""
        known = self._word_numbers
        numbers = array("I", [known.setdefault(word, len(known) + 1) for word in words(text)])
        spelling = _spelling(numbers)
        if spelling in self._known:
            return  # whatever repeats it repeats the earlier one first
        self._known.add(spelling)
        position = len(self._texts)
        if position == len(self._spellings):
            self._spellings = np.concatenate([self._spellings, np.empty(position, dtype=object)])
        self._spellings[position] = spelling
        self._texts.append(text)
        self._index.add(numbers)

    def extend_pool(self, texts: Iterable[str]) -> None:
        """Add texts to the pool as they are."""
        for text in texts:
            self.add(text)

    def find(self, text: str) -> Duplicate | None:
        """Return the first text of the pool that a text nearly repeats, or None."""
        # A word that the pool has not is in no LCS; 0 is the number of all of these.
        known = self._word_numbers
        numbers = array("I", [known.get(word, 0) for word in words(text)])
        spelling, length = _spelling(numbers), len(numbers)
        for positions in self._index.candidates(numbers):
            if not len(positions):
                continue
            others = self._spellings[positions]
            common = process.cdist(
                [spelling],
                others,
                scorer=LCSseq.similarity,
                score_cutoff=self._threshold.least_of_any(length),
                dtype=np.int32,
            )[0]
            for k in np.flatnonzero(common).tolist():
                lcs, total = int(common[k]), length + len(others[k])
                if lcs >= self._threshold.least(total):
                    return Duplicate(self._texts[positions[k]], Fraction(2 * lcs, total))
        return None

    def accept(self, texts: Iterable[str]) -> list[Duplicate | None]:
        """Compare each text with the pool and, where it repeats nothing, add it.

        Text i is compared with the pool and with the accepted ones before it, so the
        answers are the same however a sequence of texts is cut into calls.
        """
        return [self._accept(text) for text in texts]

    def _accept(self, text: str) -> Duplicate | None:
        repeated = self.find(text)
        if repeated is None:
            self.add(text)
        return repeated


_LAST_CHARACTER = sys.maxunicode
_Spelling: TypeAlias = "str | tuple[int, ...]"


def _spelling(numbers: array[int]) -> _Spelling:
    """Return word numbers as a text of one character a word, which rapidfuzz reads fastest.

    Beyond the last code point (after 1.1 million different words) they stay numbers;
    rapidfuzz takes a character for its code point, so both kinds can be compared.
    """
    if max(numbers, default=0) > _LAST_CHARACTER:
        return tuple(numbers)
    return "".join(map(chr, numbers))
