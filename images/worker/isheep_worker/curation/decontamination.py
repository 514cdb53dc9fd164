"""Finds generated items that repeat a benchmark, so that no test is trained on.

An item is contaminated if it shares n words in a row with a benchmark text (13
by default, as is usual since GPT-3). Texts with fewer than n words would then
never be found, and many benchmark questions are short. For those, item or
benchmark text, the whole is the n-gram: it must stand word for word in the
other, if it has at least 8 words (fewer recur by chance: "write a short story
about a dog" is in many texts and leaks none); a shorter one must equal the other.

Words are those of `tokenization`. Every comparison is exact: n-grams are kept
as the bytes of their word numbers, not as hashes. Memory is about 150 bytes a
benchmark word.
"""

from __future__ import annotations

import codecs
import json
from array import array
from collections.abc import Iterable, Iterator

from isheep_worker.text.tokenization import words

MIN_CONTAINED = 8
_WORD_BYTES = array("I").itemsize


class BenchmarkError(ValueError):
    """A benchmark file cannot be read; the message names file, line and remedy."""


class Decontaminator:
    """Benchmark texts, and the question whether an item repeats one of them."""

    def __init__(self, ngram: int = 13) -> None:
        if ngram < 1:
            raise ValueError(f"ngram is {ngram}; it must be 1 or more")
        self._ngram = ngram
        self._min_contained = min(MIN_CONTAINED, ngram)
        self._names: list[str] = []
        self._word_ids: dict[str, int] = {}
        # Grams of n words and whole shorter texts, by length in words, to a benchmark's number.
        self._grams: dict[int, dict[bytes, int]] = {}
        self._whole: dict[bytes, int] = {}
        self._texts: list[tuple[int, bytes]] = []
        self._occurrences: dict[int, array[int]] = {}

    def add_benchmark(self, name: str, texts: Iterable[str]) -> None:
        """Add a benchmark's texts. Of two benchmarks with the same words the first is named."""
        benchmark = len(self._names)
        self._names.append(name)
        for text in texts:
            self._add(benchmark, words(text))

    def match(self, text: str) -> str | None:
        """Return the name of a benchmark that an item's text repeats, or None."""
        # A word that no benchmark has can be in no match; 0 is the number of all of these.
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
        """Look for a short item's words in the texts that hold its rarest word."""
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
    """Whether the words of a part stand in a text; bytes that match across words do not count."""
    start = text.find(part)
    while start % _WORD_BYTES and start != -1:
        start = text.find(part, start + 1)
    return start != -1


def read_benchmark(lines: Iterable[bytes], source_name: str) -> Iterator[str]:
    """Yield the texts of a benchmark file, line by line.

    `.jsonl` files give every text in each line's JSON value, however nested (a
    question, its choices and its answer are texts of their own); of all other
    files each line is a text. Raises `BenchmarkError` for a line that is not
    UTF-8 or, in a `.jsonl` file, not JSON.
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
                "a line, or name the file .txt if each line is a text"
            ) from error
        yield from _texts(value)


def _texts(value: object) -> Iterator[str]:
    waiting = [value]  # no recursion: a hostile value is nested deeper than Python's stack
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, dict):
            waiting.extend(reversed(current.values()))
        elif isinstance(current, list):
            waiting.extend(reversed(current))
