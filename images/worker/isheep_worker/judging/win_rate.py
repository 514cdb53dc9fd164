"""How often a judge prefers M(t) to other answers to the same questions.

Each pair of answers is judged in both orders, and a question counts with the mean of both
judgements. So a preference of the judge for a place adds nothing to the win rate. Questions with a
judgement that cannot be read are left out. If more than 5 % of the judgements of one order cannot
be read, there is no figure: a judge fails more often on answers of one kind, so the questions that
are left are another sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isheep_worker.judging.length_control import LengthControlled, length_controlled
from isheep_worker.judging.order_reversals import (
    LOSS,
    TIE,
    WIN,
    BothOrders,
    OrderCounts,
    count_orders,
)
from isheep_worker.rows.schema import PreferenceRow
from isheep_worker.statistics.comparison import Comparison, compare
from isheep_worker.statistics.constant_values import constant_interval
from isheep_worker.statistics.interface import Interval

MAX_UNREADABLE = 0.05
"""The share of judgements that cannot be read, in one order, above which there is no figure."""


@dataclass(frozen=True, slots=True)
class WinRate:
    """The win rate of M(t) against other answers, in 0 to 1; 0.5 means that both are equal.

    `unreadable_first` and `unreadable_second` are the numbers of judgements that cannot be read,
    with the answer of M(t) in the first and in the second place. `comparison` is that with 0.5. The
    last three fields are None if there is no figure; `problem` says why.
    """

    questions: int
    unreadable_first: int
    unreadable_second: int
    problem: str | None = None
    counts: OrderCounts | None = None
    comparison: Comparison | None = None
    length_controlled: LengthControlled | None = None


def win_rate(rows: Sequence[PreferenceRow], seed: int) -> WinRate:
    """Return the win rate over questions.

    Args:
        rows: The judgements, one row for each question.
        seed: The seed of the resamples.
    """
    first = sum(row.first is None for row in rows)
    second = sum(row.second is None for row in rows)
    if max(first, second) > MAX_UNREADABLE * len(rows):
        return WinRate(len(rows), first, second, _unreadable(first, second, len(rows)))
    read = [
        (row, BothOrders(row.first, row.second))
        for row in rows
        if row.first is not None and row.second is not None
    ]
    if not read:
        return WinRate(len(rows), first, second, "there are no questions")
    preferences = np.array([one.preference for _, one in read])
    difficulties = [row.difficulty for row, _ in read if row.difficulty is not None]
    return WinRate(
        questions=len(rows),
        unreadable_first=first,
        unreadable_second=second,
        counts=count_orders(one for _, one in read),
        comparison=_compared(preferences, seed),
        length_controlled=_controlled(
            preferences,
            length_controlled(
                preferences,
                np.array([row.characters - row.other_characters for row, _ in read]),
                np.random.default_rng(seed),
                difficulties=difficulties if len(difficulties) == len(read) else None,
            ),
        ),
    )


def _compared(preferences: Any, seed: int) -> Comparison:
    """Return the comparison of the preferences with 0.5."""
    even = np.full(len(preferences), TIE)
    found = compare(even, preferences, None, np.random.default_rng(seed))
    if found.interval is None or (equal := _interval_if_equal(preferences)) is None:
        return found
    return replace(found, interval=Interval(equal.low - TIE, equal.high - TIE))


def _controlled(preferences: Any, found: LengthControlled) -> LengthControlled:
    equal = _interval_if_equal(preferences)
    if found.interval is None or equal is None:
        return found
    return replace(found, interval=equal)


def _interval_if_equal(preferences: Any) -> Interval | None:
    """Return the interval of the mean if all preferences are equal: their resamples have none."""
    value = float(preferences[0])
    if (preferences != value).any():
        return None
    return constant_interval(value, len(preferences), LOSS, WIN)


def _unreadable(first: int, second: int, questions: int) -> str:
    return (
        f"the judge's answers cannot be read for {first} of {questions} questions with M(t) in the "
        f"first place and for {second} with M(t) in the second place; at most "
        f"{MAX_UNREADABLE:.0%} may be unreadable: use another judge"
    )
