"""Compares decontamination of 100,000 texts against 20,000 benchmark items with deduplication.

    python benchmarks/decontamination.py

Every hundredth text contains a planted copy in its middle: 13 consecutive words of a benchmark
item. The benchmark exits with 1 if decontamination takes longer than deduplication of the same
texts, or misses a planted copy. Times are CPU seconds of one thread and include reading the
benchmark items. `docstring_sentences` makes the texts; an item is two or three sentences.
"""

from __future__ import annotations

import random
import sys
import time

from deduplication import deduplicated
from docstring_sentences import DESCRIPTION, sentences, with_near_repetitions

from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.text.tokenization import words

TEXTS, ITEMS, NGRAM = 100_000, 20_000, 13


def main() -> int:
    """Measure, print the figures, and return 1 if a goal is missed."""
    found = sentences(TEXTS + 3 * ITEMS)
    rng = random.Random(3)
    others = iter(found[TEXTS:])
    items = [" ".join(next(others) for _ in range(rng.randint(2, 3))) for _ in range(ITEMS)]
    texts = with_near_repetitions(found[:TEXTS], TEXTS)
    planted = range(0, TEXTS, 100)
    for place in planted:
        texts[place] = _with_a_copy(texts[place], items, rng)

    started = time.process_time()
    decontaminator = Decontaminator(NGRAM)
    decontaminator.add_benchmark("items", items)
    matches = [decontaminator.match(text) is not None for text in texts]
    seconds = time.process_time() - started
    _, deduplication_seconds = deduplicated(texts)

    missed = sum(not matches[place] for place in planted)
    print(f"decontamination of {DESCRIPTION}")
    print(
        f"  {TEXTS} texts against {ITEMS} benchmark items: {seconds:.2f} s (goal: at most "
        f"{deduplication_seconds:.2f} s, the time of deduplication); {sum(matches)} matches; "
        f"{missed} of {len(planted)} planted copies missed (goal: none)"
    )
    is_reached = seconds <= deduplication_seconds and not missed
    if not is_reached:
        print("MISSED: the time or the planted copies of decontamination")
    return 0 if is_reached else 1


def _with_a_copy(text: str, items: list[str], rng: random.Random) -> str:
    """Return a text with 13 consecutive words of an item in its middle."""
    copy: list[str] = []
    while len(words(" ".join(copy))) < NGRAM:  # a dash alone does not count as a word
        source = rng.choice(items).split()
        start = rng.randrange(max(1, len(source) - NGRAM + 1))
        copy = source[start : start + NGRAM]
    own = text.split()
    middle = len(own) // 2
    return " ".join([*own[:middle], *copy, *own[middle:]])


if __name__ == "__main__":
    sys.exit(main())
