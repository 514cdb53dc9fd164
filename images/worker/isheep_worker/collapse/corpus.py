"""Texts as word numbers in one array, from which figures are computed without Python loops.

100,000 responses of 100 words take 40 MB in this form. The words are those of deduplication
(`text.tokenization`), so scripts without spaces have single characters as words.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from isheep_worker.text.tokenization import words

Vocabulary: TypeAlias = dict[str, int]
"""The number of each word, from 0, in the order of occurrence; texts that are compared share it."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts in order: `flat` is a uint32 array [words]; `starts` is an int64 array [texts + 1].

    Text i has the word numbers flat[starts[i]:starts[i + 1]].
    """

    flat: Any
    starts: Any

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Any:
        """The number of words of each text, an int64 array [texts]."""
        return np.diff(self.starts)

    @property
    def text_of_word(self) -> Any:
        """The position of the text of each word, an int64 array [words]."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def first(self, count: int) -> Corpus:
        """Return the first `count` texts."""
        starts = self.starts[: count + 1]
        return Corpus(self.flat[: starts[-1]], starts)

    def take(self, positions: Any) -> Corpus:
        """Return the texts at positions, an int array, in this order."""
        lengths = self.lengths[positions]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        # Each word of a taken text has the same distance to the start of its text.
        offsets = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        return Corpus(self.flat[np.repeat(self.starts[positions], lengths) + offsets], starts)


class CorpusBuilder:
    """Builds a corpus from a stream of texts, and keeps only their word numbers."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._flat = array("I")
        self._starts = array("q", [0])

    def add(self, text: str) -> None:
        """Add a text at the end."""
        numbers = self._vocabulary
        self._flat.extend([numbers.setdefault(word, len(numbers)) for word in words(text)])
        self._starts.append(len(self._flat))

    def corpus(self) -> Corpus:
        """Return the texts so far."""
        return Corpus(
            np.array(self._flat, dtype=np.uint32),
            np.array(self._starts, dtype=np.int64),
        )


def corpus_of(texts: Iterable[str], vocabulary: Vocabulary) -> Corpus:
    """Return texts as word numbers; the vocabulary gets their new words."""
    builder = CorpusBuilder(vocabulary)
    for text in texts:
        builder.add(text)
    return builder.corpus()
