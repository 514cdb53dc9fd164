"""Both orders of a pair of answers: the preference, and the counts of all results."""

from __future__ import annotations

import pytest

from isheep_worker.judging.order_reversals import BothOrders, OrderCounts, count_orders


@pytest.mark.parametrize(
    ("first", "second", "preference", "is_reversal"),
    [
        (1.0, 1.0, 1.0, False),
        (0.0, 0.0, 0.0, False),
        (1.0, 0.0, 0.5, True),
        (0.0, 1.0, 0.5, True),
        (0.5, 0.5, 0.5, False),
        (1.0, 0.5, 0.75, False),
        (0.5, 0.0, 0.25, False),
    ],
)
def test_a_question_counts_with_the_mean_of_both_orders(
    first: float, second: float, preference: float, is_reversal: bool
) -> None:
    found = BothOrders(first, second)
    assert (found.preference, found.reversed) == (preference, is_reversal)


def test_a_judge_that_always_takes_the_first_place_has_reversals_only() -> None:
    found = count_orders([BothOrders(1.0, 0.0)] * 8)
    assert found == OrderCounts(wins=0, losses=0, ties=0, reversals=8, decided=16, first_place=16)


def test_wins_losses_ties_and_reversals_are_all_questions() -> None:
    pairs = [BothOrders(a, b) for a in (0.0, 0.5, 1.0) for b in (0.0, 0.5, 1.0)]
    found = count_orders(pairs)
    assert (found.wins, found.losses, found.ties, found.reversals) == (3, 3, 1, 2)
    assert (found.decided, found.first_place) == (12, 6)
