"""Measures the figures of collapse of 100,000 rows: the time, the memory, and their values.

    python benchmarks/collapse_figures.py

The rows have an instruction of one sentence and a response of six, from the docstrings of the
installed packages. The benchmark computes all figures with as many earlier rows, checks the nearest
neighbours of some rows against a comparison of all pairs, and exits with 1 if a goal is missed.
The memory is that of the whole process; the texts of the rows are made while they are read.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
from docstring_sentences import sentences
from rapidfuzz.distance import LCSseq

from isheep_worker.collapse.corpus import Corpus, Vocabulary
from isheep_worker.collapse.nearest import nearest_rouge_l
from isheep_worker.collapse.registry import row_figures
from isheep_worker.collapse.row_set import CollapseRow, equal_budget, read_rows

ROWS, SENTENCES, CHECKED = 100_000, 30_000, 20
MOST_SECONDS, MOST_MEMORY_GIB = 60, 2


def rows(texts: list[str], iteration: int) -> Iterator[CollapseRow]:
    """Yield the rows of one iteration."""
    rng = random.Random(iteration)
    for place in range(ROWS):
        tokens = rng.randint(20, 300)
        yield CollapseRow(
            id=f"i{iteration}-r1-c{place // 8:05}-p{place % 8}",
            instruction=" ".join(rng.choice(texts).split()[:12] + rng.choice(texts).split()[:6]),
            response=" ".join(rng.choices(texts, k=6)),
            finish_reason=rng.choice(["stop", "length"]),
            kept=True,
            scores={"Quality": rng.randint(1, 10), "Following": rng.randint(1, 10)},
            tokens=tokens,
            logprob=-tokens * rng.random(),
            exemplars=tuple(f"seed-{(place // 8 * (5 + k)) % 175}" for k in range(5)),
        )


def nearest_by_definition(pool: Corpus, place: int) -> float:
    """Return the F1 of a text to the nearest other text, by a comparison with all of them."""
    words = [
        pool.flat[a:b].tolist() for a, b in zip(pool.starts[:-1], pool.starts[1:], strict=True)
    ]
    own = words[place]
    return max(
        2 * LCSseq.similarity(own, other) / (len(own) + len(other))
        for k, other in enumerate(words)
        if k != place
    )


def main() -> int:
    """Measure, print the figures, and return 1 if a goal is missed."""
    texts = sentences(SENTENCES)
    vocabulary: Vocabulary = {}
    earlier = read_rows(rows(texts, 1), 0, vocabulary)
    started = time.process_time()
    now = read_rows(rows(texts, 2), 0, vocabulary)
    read_seconds = time.process_time() - started
    figures = row_figures(now, earlier, equal_budget(now, earlier))
    seconds = time.process_time() - started
    memory_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    pool = now.instructions
    found = nearest_rouge_l(pool.first(CHECKED), pool, range(CHECKED))
    expected = [nearest_by_definition(pool, place) for place in range(CHECKED)]
    differences = int((np.array(expected) != found).sum())
    print(f"{ROWS} rows of docstring sentences; {len(now.responses.flat)} words of responses")
    for name, figure in figures.items():
        print(f"  {name}: {figure.value} (n = {figure.n}, error {figure.standard_error})")
    print(f"  {seconds:.1f} s of CPU, of which {read_seconds:.1f} s read (goal: {MOST_SECONDS} s)")
    print(f"  peak memory {memory_gib:.2f} GiB with two sets (goal: {MOST_MEMORY_GIB} GiB)")
    print(f"  {differences} of {CHECKED} nearest neighbours differ from all pairs (goal: none)")
    return int(seconds > MOST_SECONDS or memory_gib > MOST_MEMORY_GIB or differences > 0)


if __name__ == "__main__":
    sys.exit(main())
