"""Kendall's tau has the values of scipy and an interval from 50 items."""

import numpy as np
import pytest

from isheep_worker.statistics.interface import Interval
from isheep_worker.statistics.rank_correlation import RankCorrelation, rank_correlation


def test_the_interval_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal(80)
    found = rank_correlation(first, first + rng.standard_normal(80))
    assert found.tau is not None
    assert found.interval is not None
    half = (np.arctanh(found.interval.high) - np.arctanh(found.interval.low)) / 2
    assert half == pytest.approx(1.959964 * np.sqrt(0.437 / 76), rel=1e-5)
    assert found.tau in found.interval


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
