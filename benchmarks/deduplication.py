"""Deduplication against `rouge_score`: how much faster, whether it decides alike, how it grows.

    python benchmarks/deduplication.py

prints the figures, and ends with 1 where they miss the goals. Times are CPU seconds of
this one thread. `rouge_score` is timed on a sample of the pairs that comparing one after
another would score (each text with all that were kept before it) and scaled to all of
them. On the first 1,000 texts it decides every pair itself, in about a minute; only where
its float is within a billionth of the threshold are the integers behind it compared.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from dataclasses import dataclass

from rouge_score.rouge_scorer import RougeScorer
from rouge_score.rouge_scorer import _lcs_table as lcs_table
from texts import WHAT_THEY_ARE, sentences, with_near_repetitions

from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.text.tokenization import words

SMALL, LARGE = 10_000, 100_000
COMPARED, SAMPLED = 1_000, 4_000
LEAST_SPEED_UP, MOST_GROWTH, MOST_MEMORY_GIB = 1_000, 60, 4
SCORER = RougeScorer(["rougeL"], use_stemmer=False)


@dataclass(frozen=True)
class Figures:
    """What was measured; seconds are CPU seconds."""

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
                f"deduplication of {WHAT_THEY_ARE}",
                f"  {SMALL} texts: {self.small_seconds:.2f} s, {self.small_dropped} dropped; "
                f"rouge_score needs {self.rouge_seconds:.0f} s for the {self.pairs} pairs: "
                f"{self.speed_up:.0f} times as fast (goal: {LEAST_SPEED_UP})",
                f"  {COMPARED} texts: {self.differences} decisions differ from rouge_score's "
                "(goal: none)",
                f"  {LARGE} texts: {self.large_seconds:.2f} s, {self.large_dropped} dropped: "
                f"{self.growth:.1f} times the time of {SMALL} (goal: {MOST_GROWTH}); "
                f"peak memory {self.memory_gib:.2f} GiB with texts (goal: {MOST_MEMORY_GIB})",
            ]
        )

    @property
    def speed_up(self) -> float:
        """How many times rouge_score's time is ours."""
        return self.rouge_seconds / self.small_seconds

    @property
    def growth(self) -> float:
        """How many times the small set's time the large one's is."""
        return self.large_seconds / self.small_seconds

    def misses(self) -> list[str]:
        """Return which goals are missed."""
        reached = {
            "the speed against rouge_score": self.speed_up >= LEAST_SPEED_UP,
            "the same decisions": self.differences == 0,
            "the growth": self.growth <= MOST_GROWTH,
            "the memory": self.memory_gib <= MOST_MEMORY_GIB,
        }
        return [name for name, is_reached in reached.items() if not is_reached]


def deduplicated(texts: list[str]) -> tuple[list[bool], float]:
    """Return for each text whether it is dropped, and the CPU seconds that this took."""
    started = time.process_time()
    dropped = [duplicate is not None for duplicate in Deduplicator("0.7").accept(texts)]
    return dropped, time.process_time() - started


def main() -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
    texts = with_near_repetitions(sentences(LARGE), LARGE)
    deduplicated(texts[:COMPARED])  # what is imported late, and caches
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
    """Return how many pairs comparing one after another scores, and in how many seconds."""
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
