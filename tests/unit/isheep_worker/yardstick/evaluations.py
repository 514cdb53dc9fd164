"""Rows of evaluations and of training sets that tests write themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from isheep_worker.collapse.row_set import CollapseRow
from isheep_worker.guards.registry import GUARD_RULES
from isheep_worker.rows.schema import EvaluationRow
from isheep_worker.yardstick.source import DataSet, VerdictSource

TEXT = "the river runs past old trees and a small grey bird sings near the quiet water"


def sentence(seed: int, count: int = 12) -> str:
    """Return words that differ for each seed."""
    words = TEXT.split()
    return " ".join(words[(seed * 7 + n * (3 + seed % 5)) % len(words)] for n in range(count))


def rows(count: int, *, worse_by: float = 0.0, cut: int = 0, loop: int = 0) -> list[EvaluationRow]:
    """Return rows whose losses differ by task; the first answers are cut, or repeat a word."""
    return [
        EvaluationRow(
            id=f"task-{n}",
            instruction="Name a bird.",
            input="",
            loss=1.0 + n % 7 + worse_by * (1 + n % 3),
            output_tokens=9,
            response="wren " * 40 if n < loop else sentence(n),
            finish_reason="length" if n < cut else "stop",
            tokens=3,
        )
        for n in range(count)
    ]


def pairs(t: int, count: int) -> list[CollapseRow]:
    """Return the pairs of a training set."""
    return [
        CollapseRow(
            id=f"i{t}-r1-c{n:05d}-p1",
            instruction=f"Write about {sentence(n + 31 * t, 6)}",
            response=sentence(n + 17 * t, 20),
            finish_reason="stop",
            kept=n % 2 == 0,
            scores={"Quality": float(n % 10 + 1)},
        )
        for n in range(count)
    ]


def source(*evaluations: Sequence[EvaluationRow], data: int = 0, looks: int = 3) -> VerdictSource:
    """Return the source of a verdict with these evaluations of M(0), M(1), …, and all guards.

    `data` is the number of pairs of each training set; 0 means that there are none.
    """
    sets = range(1, len(evaluations)) if data else ()
    return VerdictSource(
        evaluations=dict(enumerate(evaluations)),
        answer_format="Chat",
        random_seed=0,
        data={t: DataSet(partial(pairs, t, data), "Chat") for t in sets},
        rules=tuple(GUARD_RULES.values()),
        planned_looks=looks,
    )
