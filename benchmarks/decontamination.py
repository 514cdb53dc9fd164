"""Decontamination of 100,000 texts against 20,000 benchmark items, beside their deduplication.

    python benchmarks/decontamination.py

prints the figures, and ends with 1 where decontamination takes longer than deduplication
or misses one of the copies that were planted: 13 words of a benchmark item in the middle
of every hundredth text. Times are CPU seconds of one thread, the benchmarks' reading
included. Texts and items are what `texts` says; an item is two or three sentences.
"""

from __future__ import annotations

import random
import sys
import time

from deduplication import deduplicated
from texts import WHAT_THEY_ARE, sentences, with_near_repetitions

from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.text.tokenization import words

TEXTS, ITEMS, NGRAM = 100_000, 20_000, 13


def main() -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
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
    print(f"decontamination of {WHAT_THEY_ARE}")
    print(
        f"  {TEXTS} texts against {ITEMS} items: {seconds:.2f} s "
        f"(goal: deduplication's {deduplication_seconds:.2f} s); "
        f"{sum(matches)} matches, {missed} of {len(planted)} planted ones missed (goal: none)"
    )
    is_reached = seconds <= deduplication_seconds and not missed
    if not is_reached:
        print("MISSED: decontamination")
    return 0 if is_reached else 1


def _with_a_copy(text: str, items: list[str], rng: random.Random) -> str:
    """Return a text with 13 words of an item in its middle."""
    copy: list[str] = []
    while len(words(" ".join(copy))) < NGRAM:  # a lone dash is no word
        source = rng.choice(items).split()
        start = rng.randrange(max(1, len(source) - NGRAM + 1))
        copy = source[start : start + NGRAM]
    own = text.split()
    middle = len(own) // 2
    return " ".join([*own[:middle], *copy, *own[middle:]])


if __name__ == "__main__":
    sys.exit(main())
