"""Measures how often the guards warn about a run that does not collapse, and about one that does.

    python benchmarks/guard_simulation.py [--runs 1000] [--harmless 400] [--collapses 100]

Each simulated run has rows: the sets D(t) in completions of 4 pairs, and the answers of M(0) to
M(T) to the same instructions. Their texts are sentences of docstrings. All figures are computed
from these rows, and all default rules look at all of them (LenientAssessor needs anchors, which
are off by default). Rows of one completion resemble each other, and the items have different
lengths and losses, which are the same for each t. The earlier sets are represented by D(t-1),
because all sets are cut to the same number of rows.

The runs without a collapse have 160 pairs and 60 instructions: fewer items are noisier, so this is
the harder case. The runs with a collapse have 320 pairs and 200 instructions, the default.

A run without a collapse draws all rows in the same way for each t. A run with harmless changes
becomes slightly shorter, gets slightly higher losses and scores, and stays below the limits. The
collapses begin at t = 3: repetition, shortening, copying, verb collapse and score saturation. They
were not used to choose a limit or a level, with one exception: the limit of ShorterAnswers was
lowered from 0.3 to 0.25 after 9 of 10 trial runs with another form of shortening were detected.

The benchmark exits with 1 if the upper end of the 95 % interval of the share of runs with a false
alarm is above 5 %, or if less than 95 % of the runs of any kind of collapse have an alarm.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

from docstring_sentences import sentences
from scipy.stats import binomtest

from isheep_worker.collapse.corpus import Vocabulary
from isheep_worker.collapse.registry import answer_figures, row_figures
from isheep_worker.collapse.row_set import (
    CollapseRow,
    RowSet,
    equal_budget,
    read_rows,
)
from isheep_worker.guards.alarms import alarms
from isheep_worker.guards.interface import Look, Reading
from isheep_worker.guards.registry import GUARD_RULES

GROUP, SENTENCES, SEEDS = 4, 5_000, 24
ONSET, GROWTH = 3, 0.25
MOST_FALSE, LEAST_DETECTED = 0.05, 0.95
RULES = tuple(rule for name, rule in GUARD_RULES.items() if name != "LenientAssessor")
"""The rules of a run with the default settings, which has no anchors."""
COLLAPSES = ("repetition", "shortening", "copying", "verbs", "scores")


@dataclass(frozen=True)
class Size:
    """The number of pairs of D(t), and of the instructions that each model answers."""

    rows: int
    items: int


SMALL, DEFAULT = Size(160, 60), Size(320, 200)


@dataclass(frozen=True)
class Item:
    """An instruction that each model answers: the length and the loss of its usual answer."""

    id: str
    instruction: str
    input: str
    sentences: int
    loss: float


@dataclass(frozen=True)
class GivenAnswer:
    """The answer of a model to an item."""

    id: str
    instruction: str
    input: str
    response: str
    finish_reason: str
    loss: float | None


@cache
def texts() -> tuple[str, ...]:
    """Return the sentences, which each process reads once."""
    return tuple(sentences(SENTENCES))


@dataclass(frozen=True)
class Model:
    """How M(t) writes: the kind of the run, and the strength of its collapse, 0 to 1."""

    kind: str
    t: int
    rng: random.Random

    @property
    def strength(self) -> float:
        """The strength of the collapse; it grows with each iteration from its onset."""
        return min(1.0, max(0.0, GROWTH * (self.t - ONSET + 1)))

    def collapses(self, kind: str) -> bool:
        """Return whether this text shows a kind of collapse."""
        return self.kind == kind and self.rng.random() < self.strength

    def answer(self, item: Item) -> GivenAnswer:
        """Return the answer to an item."""
        words = " ".join(self.rng.choices(texts(), k=item.sentences)).split()
        loss = item.loss + self.rng.gauss(0, 0.1)
        if self.kind == "harmless":
            words = words[: round(len(words) * (1 - min(0.1, 0.02 * self.t)))]
            loss += min(0.08, 0.02 * self.t)
        if self.collapses("repetition"):
            words = (words[:6] * len(words))[: len(words)]
        if self.collapses("shortening"):
            words = words[:8]
        if self.collapses("copying"):
            words = item.instruction.split() + words[:5]
        reason = "length" if self.rng.random() < 0.05 else "stop"
        return GivenAnswer(item.id, item.instruction, "", " ".join(words), reason, loss)

    def rows(self, count: int, earlier: Sequence[CollapseRow]) -> Iterator[CollapseRow]:
        """Yield the rows of D(t)."""
        verb = ""
        shown: tuple[str, ...] = ()
        for place in range(count):
            if place % GROUP == 0:
                shown = tuple(self.rng.sample([f"seed-{k}" for k in range(SEEDS)], 5))
            words = self.rng.choice(texts()).split()[:14]
            # A task often begins as the one before it in the same completion does.
            if place % GROUP and self.rng.random() < 0.3:
                words[0] = verb
            if self.collapses("verbs"):
                words[0] = "Write"
            if earlier and self.collapses("copying"):
                words = self.rng.choice(earlier).instruction.split()
                words[-1] = "again"
            verb = words[0]
            score = min(10, max(1, round(self.rng.gauss(7.3 if self.kind == "harmless" else 7, 2))))
            if self.collapses("scores"):
                score = 10
            tokens = self.rng.randint(20, 200)
            yield CollapseRow(
                id=f"i{self.t}-r1-c{place // GROUP:05}-p{place % GROUP}",
                instruction=" ".join(words),
                response=" ".join(self.rng.choices(texts(), k=self.rng.randint(1, 3))),
                finish_reason="length" if self.rng.random() < 0.05 else "stop",
                scores={"Quality": score},
                tokens=tokens,
                logprob=-tokens * self.rng.gauss(1.0, 0.3),
                exemplars=shown,
            )


def simulated_looks(kind: str, size: Size, iterations: int, seed: int) -> Iterator[Look]:
    """Yield the looks of a run: the answers of M(t) from t = 0, and D(t) from t = 1."""
    rng = random.Random(f"{kind}/{iterations}/{seed}")
    items = [
        Item(str(k), rng.choice(texts()), "", rng.randint(1, 5), rng.gauss(2, 0.5))
        for k in range(size.items)
    ]
    vocabulary: Vocabulary = {}
    earlier: list[CollapseRow] = []
    first: RowSet | None = None
    previous: RowSet | None = None
    for t in range(iterations + 1):
        model = Model(kind, t, rng)
        answers = answer_figures([model.answer(item) for item in items])
        readings = {name: Reading(figure, "Chat") for name, figure in answers.items()}
        if t:
            rows = list(model.rows(size.rows, earlier))
            found = read_rows(rows, 0, vocabulary)
            first = first or found
            figures = row_figures(found, previous, equal_budget(first, found))
            # D(1) is written as raw text, and all later sets in a chat.
            prompt_format = "Raw" if t == 1 else "Chat"
            readings |= {name: Reading(figure, prompt_format) for name, figure in figures.items()}
            earlier, previous = rows, found
        yield Look(t, readings)


def alarmed_rules(kind: str, size: Size, iterations: int, seed: int) -> frozenset[str]:
    """Return the names of the rules with an alarm in a run."""
    looks = list(simulated_looks(kind, size, iterations, seed))
    found = alarms(looks, RULES, planned_looks=iterations)
    return frozenset(alarm.rule.name for alarm in found)


def measured(
    pool: ProcessPoolExecutor, kind: str, size: Size, iterations: int, runs: int
) -> tuple[int, str]:
    """Return the number of runs with an alarm, and the alarms by rule as text."""
    one = partial(alarmed_rules, kind, size, iterations)
    found = list(pool.map(one, range(runs), chunksize=5))
    counts = Counter(name for names in found for name in names)
    by_rule = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return sum(bool(names) for names in found), by_rule or "no alarm"


def main() -> int:
    """Simulate, print the shares of runs with an alarm, and return 1 if a goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1_000, help="runs without a collapse")
    parser.add_argument("--harmless", type=int, default=400, help="runs with harmless changes")
    parser.add_argument("--collapses", type=int, default=100, help="runs of each collapse")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    missed = False
    with ProcessPoolExecutor(chosen.processes) as pool:
        for kind in COLLAPSES:
            count, rules = measured(pool, kind, DEFAULT, 5, chosen.collapses)
            missed |= count < LEAST_DETECTED * chosen.collapses
            print(
                f"T =  5, {kind:10}: {count} of {chosen.collapses} runs are detected "
                f"(goal: {LEAST_DETECTED:.0%}); {rules}",
                flush=True,
            )
        for kind, runs in (("none", chosen.runs), ("harmless", chosen.harmless)):
            for iterations in (5, 20):
                count, rules = measured(pool, kind, SMALL, iterations, runs)
                high = binomtest(count, runs).proportion_ci(0.95).high
                missed |= high > MOST_FALSE
                print(
                    f"T = {iterations:2}, {kind:10}: {count} of {runs} runs have a false alarm, "
                    f"at most {high:.1%} (goal: {MOST_FALSE:.0%}); {rules}",
                    flush=True,
                )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
