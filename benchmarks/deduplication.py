"""Compares deduplication with `rouge_score`: its speed, its decisions, and how its time grows.

    python benchmarks/deduplication.py

The benchmark prints the figures and exits with 1 if a goal is missed. Times are CPU seconds of
one thread. Without an index, `rouge_score` would compare each text with all texts kept before it.
It is timed on a sample of these pairs, and the time is scaled to all of them. `rouge_score`
decides every pair of the first 1,000 texts, which takes about a minute. If its score is within a
billionth of the threshold, the benchmark compares the integers behind the score instead.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from dataclasses import dataclass

from docstring_sentences import DESCRIPTION, sentences, with_near_repetitions
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.rouge_scorer import _lcs_table as lcs_table

from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.text.tokenization import words

SMALL, LARGE = 10_000, 100_000
COMPARED, SAMPLED = 1_000, 4_000
LEAST_SPEED_UP, MOST_GROWTH, MOST_MEMORY_GIB = 1_000, 60, 4
SCORER = RougeScorer(["rougeL"], use_stemmer=False)


@dataclass(frozen=True)
class Figures:
    """The measured figures; seconds are CPU seconds."""

    small_seconds: float
    large_seconds: float
    rouge_seconds: float
    pairs: int
    small_dropped: int
    large_dropped: int
    differences: int
    memory_gib: float

    def __str__(self) -> str:
        """Return the figures with their goals."""
        return "\n".join(
            [
                f"deduplication of {DESCRIPTION}",
                f"  {SMALL} texts: {self.small_seconds:.2f} s, {self.small_dropped} dropped; "
                f"rouge_score needs {self.rouge_seconds:.0f} s for the {self.pairs} pairs, so "
                f"deduplication is {self.speed_up:.0f} times as fast "
                f"(goal: at least {LEAST_SPEED_UP})",
                f"  {COMPARED} texts: {self.differences} decisions differ from rouge_score's "
                "(goal: none)",
                f"  {LARGE} texts: {self.large_seconds:.2f} s, {self.large_dropped} dropped: "
                f"{self.growth:.1f} times the time of {SMALL} (goal: at most {MOST_GROWTH}); "
                f"peak memory {self.memory_gib:.2f} GiB including the texts "
                f"(goal: at most {MOST_MEMORY_GIB})",
            ]
        )

    @property
    def speed_up(self) -> float:
        """The time of rouge_score divided by the time of deduplication."""
        return self.rouge_seconds / self.small_seconds

    @property
    def growth(self) -> float:
        """The time for the large set divided by the time for the small set."""
        return self.large_seconds / self.small_seconds

    def misses(self) -> list[str]:
        """Return the names of the missed goals."""
        reached = {
            "the speed compared with rouge_score": self.speed_up >= LEAST_SPEED_UP,
            "the same decisions as rouge_score": self.differences == 0,
            "the growth of the time": self.growth <= MOST_GROWTH,
            "the peak memory": self.memory_gib <= MOST_MEMORY_GIB,
        }
        return [name for name, is_reached in reached.items() if not is_reached]


def deduplicated(texts: list[str]) -> tuple[list[bool], float]:
    """Return for each text whether deduplication drops it, and the CPU seconds."""
    started = time.process_time()
    dropped = [duplicate is not None for duplicate in Deduplicator("0.7").accept(texts)]
    return dropped, time.process_time() - started


def main() -> int:
    """Measure, print the figures, and return 1 if a goal is missed."""
    texts = with_near_repetitions(sentences(LARGE), LARGE)
    deduplicated(texts[:COMPARED])  # loads lazy imports and fills caches
    small, small_seconds = deduplicated(texts[:SMALL])
    large, large_seconds = deduplicated(texts)
    memory_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    pairs, rouge_seconds = _rouge_seconds(texts[:SMALL], small)
    expected = _decided_by_rouge(texts[:COMPARED])
    figures = Figures(
        small_seconds=small_seconds,
        large_seconds=large_seconds,
        rouge_seconds=rouge_seconds,
        pairs=pairs,
        small_dropped=sum(small),
        large_dropped=sum(large),
        differences=sum(one != other for one, other in zip(small, expected, strict=False)),
        memory_gib=memory_gib,
    )
    print(figures)
    for miss in figures.misses():
        print(f"MISSED: {miss}")
    return 1 if figures.misses() else 0


def _rouge_seconds(texts: list[str], dropped: list[bool]) -> tuple[int, float]:
    """Return the number of pairs without an index, and rouge_score's seconds for all of them."""
    kept: list[int] = []
    kept_before = []
    for place, is_dropped in enumerate(dropped):
        kept_before.append(len(kept))
        if not is_dropped:
            kept.append(place)
    rng = random.Random(2)
    sample = rng.choices(range(len(texts)), weights=kept_before, k=SAMPLED)
    pairs = [(texts[place], texts[rng.choice(kept[: kept_before[place]])]) for place in sample]
    started = time.process_time()
    for one, other in pairs:
        SCORER.score(one, other)
    seconds = time.process_time() - started
    return sum(kept_before), seconds * sum(kept_before) / SAMPLED


def _decided_by_rouge(texts: list[str]) -> list[bool]:
    kept: list[str] = []
    decisions = []
    for text in texts:
        decisions.append(any(_repeats(text, other) for other in kept))
        if not decisions[-1]:
            kept.append(text)
    return decisions


def _repeats(one: str, other: str) -> bool:
    score = SCORER.score(one, other)["rougeL"].fmeasure
    if abs(score - 0.7) > 1e-9:
        return bool(score > 0.7)
    m, n = words(one), words(other)
    return 20 * int(lcs_table(m, n)[-1][-1]) > 7 * (len(m) + len(n))


if __name__ == "__main__":
    sys.exit(main())
