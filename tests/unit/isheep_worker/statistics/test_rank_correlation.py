"""Kendall's tau has the values of scipy and an interval from 50 items."""

import numpy as np
import pytest

from isheep_worker.statistics.interface import Interval
from isheep_worker.statistics.rank_correlation import RankCorrelation, rank_correlation


def scores(items: int, rng: np.random.Generator, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two correlated lists of whole numbers."""
    first = rng.standard_normal(items)
    second = first + rng.standard_normal(items)
    bounds = np.linspace(-1.5, 1.5, levels - 1)
    return np.digitize(first, bounds), np.digitize(second / np.sqrt(2), bounds)


def test_the_width_is_the_spread_of_the_coefficient_also_with_ties() -> None:
    rng = np.random.default_rng(0)
    found = [rank_correlation(*scores(100, rng, levels=5)) for _ in range(200)]
    spread = np.std([np.arctanh(each.tau) for each in found])
    widths = [
        np.arctanh(each.interval.high) - np.arctanh(each.interval.low)
        for each in found
        if each.interval
    ]
    assert np.mean(widths) == pytest.approx(2 * 1.984 * spread, rel=0.15)


def test_the_error_of_many_items_is_estimated_from_some() -> None:
    first, second = scores(20_000, np.random.default_rng(1), levels=10)
    found, few = rank_correlation(first, second), rank_correlation(first[:2_000], second[:2_000])
    assert found.interval is not None
    assert few.interval is not None
    width = found.interval.high - found.interval.low
    assert width == pytest.approx((few.interval.high - few.interval.low) / np.sqrt(10), rel=0.1)


def test_the_coefficient_allows_for_ties() -> None:
    # tau-b = (concordant - discordant) / √((pairs - ties) · (pairs - ties)).
    first = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 10)
    second = np.tile([1.0, 2.0], 25)
    found = rank_correlation(first, second)
    pairs = [(i, j) for i in range(50) for j in range(i)]
    signs = [np.sign(first[i] - first[j]) * np.sign(second[i] - second[j]) for i, j in pairs]
    free = [sum(values[i] != values[j] for i, j in pairs) for values in (first, second)]
    assert found.tau == pytest.approx(sum(signs) / np.sqrt(free[0] * free[1]))


def test_equal_orders_have_an_interval_without_width() -> None:
    first = np.arange(50.0)
    assert rank_correlation(first, 2 * first) == RankCorrelation(50, 1.0, Interval(1.0, 1.0))
    assert rank_correlation(first, -first).tau == -1.0


@pytest.mark.parametrize(
    ("first", "second"),
    [(np.arange(49.0), np.arange(49.0)), (np.arange(60.0), np.full(60, 8.0))],
)
def test_few_items_and_equal_values_have_no_correlation(
    first: np.ndarray, second: np.ndarray
) -> None:
    assert rank_correlation(first, second) == RankCorrelation(len(first), None, None)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        rank_correlation([np.nan] * 60, [0.0] * 60)
