"""Decontamination: the search for generated items that repeat a benchmark.

An item is contaminated if it shares n consecutive words with a text of a benchmark (13 by default,
the usual value since GPT-3). Texts with fewer than n words would never match, and many benchmark
questions are short. For such a text, of an item or of a benchmark, the whole text is the n-gram: if
it has at least 8 words, the other text must contain it word for word. (Shorter texts recur by
chance: "write a short story about a dog" is in many texts and is not a leak.) A text with fewer
than 8 words must be equal to the other text.

Words are those of `tokenization`. Every comparison is exact: n-grams are stored as the bytes of
their word numbers, not as hashes. The memory is about 150 bytes a word of the benchmarks.
"""

from __future__ import annotations

import codecs
import json
from array import array
from collections.abc import Iterable, Iterator

from isheep.contract.choices import CONTAMINATION_NGRAM
from isheep.contract.reasons import Reason
from isheep_worker.runtime.errors import WorkerError
from isheep_worker.text.tokenization import words

MIN_CONTAINED = 8
_WORD_BYTES = array("I").itemsize


class BenchmarkError(WorkerError, ValueError):
    """A benchmark file cannot be read; the message names the file, the line and the remedy."""

    reason = Reason.BAD_BENCHMARK


class Decontaminator:
    """The texts of benchmarks, with a search for the benchmark that an item repeats."""

    def __init__(self, ngram: int = CONTAMINATION_NGRAM) -> None:
        """Set the number of consecutive words that count as contamination.

        Args:
            ngram: The number of words, 1 or more.

        Raises:
            ValueError: The number is less than 1.
        """
        if ngram < 1:
            raise ValueError(f"ngram is {ngram}; it must be 1 or more")
        self._ngram = ngram
        self._min_contained = min(MIN_CONTAINED, ngram)
        self._names: list[str] = []
        self._word_ids: dict[str, int] = {}
        # From n-grams and whole shorter texts, by their number of words, to a benchmark's number.
        self._grams: dict[int, dict[bytes, int]] = {}
        self._whole: dict[bytes, int] = {}
        self._texts: list[tuple[int, bytes]] = []
        self._occurrences: dict[int, array[int]] = {}

    def add_benchmark(self, name: str, texts: Iterable[str]) -> None:
        """Add the texts of a benchmark; if two benchmarks have the same words, the first counts."""
        benchmark = len(self._names)
        self._names.append(name)
        for text in texts:
            self._add(benchmark, words(text))

    def match(self, text: str) -> str | None:
        """Return the name of the benchmark that an item repeats.

        Args:
            text: The text of the item.

        Returns:
            The name of a benchmark, or None if the item repeats none.
        """
        # The number 0 represents every word that no benchmark has; no match contains such a word.
        ids = array("I", [self._word_ids.get(word, 0) for word in words(text)])
        if not ids:
            return None
        data = ids.tobytes()
        benchmark = self._whole.get(data)
        if benchmark is None:
            benchmark = self._matching_gram(data, len(ids))
        if benchmark is None and self._min_contained <= len(ids) < self._ngram:
            benchmark = self._containing_text(ids, data)
        return None if benchmark is None else self._names[benchmark]

    def _add(self, benchmark: int, text_words: list[str]) -> None:
        if not text_words:
            return
        known = self._word_ids
        ids = array("I", [known.setdefault(word, len(known) + 1) for word in text_words])
        data = ids.tobytes()
        self._whole.setdefault(data, benchmark)
        size = min(len(ids), self._ngram)
        if size >= self._min_contained:
            grams = self._grams.setdefault(size, {})
            for gram in _grams(data, len(ids), size):
                grams.setdefault(gram, benchmark)
        text_number = len(self._texts)
        self._texts.append((benchmark, data))
        for word in set(ids):
            self._occurrences.setdefault(word, array("I")).append(text_number)

    def _matching_gram(self, data: bytes, length: int) -> int | None:
        for size, grams in self._grams.items():
            for gram in _grams(data, length, size):
                if (benchmark := grams.get(gram)) is not None:
                    return benchmark
        return None

    def _containing_text(self, ids: array[int], data: bytes) -> int | None:
        """Search the texts that contain the rarest word of a short item for all its words."""
        rarest = min(ids, key=lambda word: len(self._occurrences.get(word, ())))
        for text_number in self._occurrences.get(rarest, ()):
            benchmark, text = self._texts[text_number]
            if _contains(text, data):
                return benchmark
        return None


def _grams(data: bytes, length: int, size: int) -> Iterator[bytes]:
    width = size * _WORD_BYTES
    for start in range(0, (length - size + 1) * _WORD_BYTES, _WORD_BYTES):
        yield data[start : start + width]


def _contains(text: bytes, part: bytes) -> bool:
    """Return whether a text contains the words of a part, at the start of a word of the text."""
    start = text.find(part)
    while start % _WORD_BYTES and start != -1:
        start = text.find(part, start + 1)
    return start != -1


def read_benchmark(lines: Iterable[bytes], source_name: str) -> Iterator[str]:
    """Yield the texts of a benchmark file.

    In a `.jsonl` file, every string in the JSON value of a line is a text, at any depth, so a
    question, its choices and its answer are separate texts. In any other file, each line is a text.

    Args:
        lines: The lines of the file.
        source_name: The name of the file, which decides the format and is in messages.

    Yields:
        The texts, line by line.

    Raises:
        BenchmarkError: A line is not UTF-8 or, in a `.jsonl` file, not JSON.
    """
    is_json = source_name.endswith(".jsonl")
    for number, line in enumerate(lines, start=1):
        content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if not content.strip():
            continue
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BenchmarkError(
                f"{source_name}, line {number}: is not UTF-8 (byte {error.start + 1} of the line); "
                "save the file as UTF-8"
            ) from error
        if not is_json:
            yield text.strip()
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BenchmarkError(
                f"{source_name}, line {number}: is not JSON ({error}); write one JSON value "
                "on each line, or give the file the ending .txt if each line is a text"
            ) from error
        yield from texts_of(value)


def texts_of(value: object) -> Iterator[str]:
    """Yield every string in a JSON value, at any depth, in order."""
    waiting = [value]  # no recursion: a hostile value can be nested deeper than Python's stack
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, dict):
            waiting.extend(reversed(current.values()))
        elif isinstance(current, list):
            waiting.extend(reversed(current))
