"""The area under the curve against scipy, its interval, and its bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from isheep_worker.statistics.separation import separation


def test_the_area_is_that_of_the_rank_sum_test() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.integers(1, 11, 80), draw.integers(1, 9, 80)
    found = separation(first, second, np.random.default_rng(1))
    assert found.area == pytest.approx(mannwhitneyu(first, second).statistic / 80**2)


def test_the_interval_covers_the_true_area_as_often_as_it_claims() -> None:
    draw = np.random.default_rng(3)
    # The difference of both values is normal with mean 1 and variance 2 - 2 * 0.5.
    truth = 0.7602  # P(N(1, 2) > 0), because values of different items are independent
    covered = 0
    for _ in range(200):
        common = draw.normal(size=100)
        first, second = (
            np.sqrt(0.5) * common + np.sqrt(0.5) * draw.normal(size=100) + shift for shift in (1, 0)
        )
        interval = separation(first, second, draw).interval
        covered += interval is not None and truth in interval
    assert 180 <= covered <= 198


def test_a_perfect_separation_has_the_area_one_and_few_items_have_none() -> None:
    generator = np.random.default_rng(0)
    found = separation(np.full(50, 9.0), np.full(50, 2.0), generator)
    assert (found.area, found.interval and found.interval.high) == (1.0, 1.0)
    assert separation(np.ones(49), np.zeros(49), generator).area is None
    with pytest.raises(ValueError, match="finite"):
        separation([1.0, float("nan")], [1.0, 2.0], generator)


@pytest.mark.parametrize("items", [50, 60, 97])
def test_values_that_all_compare_in_the_same_way_leave_the_area_uncertain(items: int) -> None:
    """The resamples of such values have no width, and the other items can differ."""
    generator = np.random.default_rng(0)
    same, low = np.full(items, 7.0), np.full(items, 2.0)
    equal = separation(same, same, generator).interval
    perfect = separation(same, low, generator).interval
    reverse = separation(low, same, generator).interval
    assert equal is not None
    assert equal.low < 0.5 < equal.high
    assert perfect is not None
    assert (0.8 < perfect.low < 1, perfect.high) == (True, 1.0)
    assert reverse is not None
    assert (reverse.low, 0 < reverse.high < 0.2) == (0.0, True)


def test_no_end_of_an_interval_is_beyond_what_an_area_can_be() -> None:
    first = np.full(60, 10.0)
    second = np.where(np.arange(60) == 0, 10.0, 3.0)
    interval = separation(first, second, np.random.default_rng(0)).interval
    assert interval is not None
    assert interval.low < interval.high <= 1
