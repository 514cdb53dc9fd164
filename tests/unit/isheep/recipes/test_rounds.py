"""The sizes of rounds, computed by hand from the formulas in the module."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.recipes.rounds import Round, first_round, next_round, projected_rounds


@pytest.mark.parametrize(
    ("count", "completions"), [(1, 1), (8, 1), (9, 2), (32, 4), (10000, 1250), (1000000, 125000)]
)
def test_round_1_has_an_eighth_of_the_count(count: int, completions: int) -> None:
    assert first_round(count) == completions
    assert next_round(count, []) == completions


@pytest.mark.parametrize(
    ("count", "rounds", "completions"),
    [
        # 1.1 * (10000 - 5000) / 4
        (10000, [(1250, 5000)], 1375),
        # the yield covers all rounds: 6000 / 2500 = 2.4
        (10000, [(1250, 5000), (1250, 6000)], 1834),
        # a yield below 0.2 counts as 0.2: 1.1 * 9900 / 0.2 = 54450, at most 4 * 1250
        (10000, [(1250, 100)], 5000),
        (10000, [(1250, 0)], 5000),
        # 1.1 * 100 / 0.2, with the minimum yield and below the maximum
        (10000, [(100000, 9900)], 550),
        # one missing item at a high yield needs one completion
        (10000, [(1250, 9999)], 1),
        (10000, [(1250, 10000)], None),
        (10000, [(1250, 10001)], None),
    ],
)
def test_later_rounds_have_the_completions_for_the_missing_items(
    count: int, rounds: list[tuple[int, int]], completions: int | None
) -> None:
    assert next_round(count, [Round(*r) for r in rounds]) == completions


@pytest.mark.parametrize(
    ("rounds", "projected"),
    [
        ([(1250, 10000)], 1),
        ([(1250, 5000)], 2),
        ([(1250, 0)], math.inf),
        # 0.16 a completion, 800 a round of 5000: 12.5 rounds for 10000 - 0
        ([(1250, 200), (5000, 1000), (5000, 1800)], 3 + 11),
    ],
)
def test_the_projection_assumes_the_largest_rounds(
    rounds: list[tuple[int, int]], projected: float
) -> None:
    assert projected_rounds(10000, [Round(*r) for r in rounds]) == projected


@settings(deadline=None)
@given(
    count=st.integers(1, 10**6),
    rounds=st.lists(st.tuples(st.integers(1, 10**5), st.integers(0, 10**5)), min_size=1),
)
def test_the_size_of_a_round_is_bounded(count: int, rounds: list[tuple[int, int]]) -> None:
    total, history = 0, []
    for completions, new in rounds:
        total += new
        history.append(Round(completions, total))
    wanted = next_round(count, history)
    if total >= count:
        assert wanted is None
    else:
        assert wanted is not None
        assert 1 <= wanted <= 4 * first_round(count)
        assert projected_rounds(count, history) > len(history)
