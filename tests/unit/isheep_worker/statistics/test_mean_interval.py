"""The interval of a mean against scipy's own test, and the bound below which there is none."""

from __future__ import annotations

import pytest
from scipy.stats import ttest_1samp

from isheep_worker.statistics.mean_interval import mean_interval


def test_the_interval_is_that_of_the_t_test() -> None:
    values = [-0.02, 0.01, -0.05, -0.03]
    found = mean_interval(values)
    wanted = ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((wanted.low, wanted.high))
    assert found.mean == pytest.approx(-0.0225)


def test_two_values_have_a_mean_and_no_interval() -> None:
    found = mean_interval([1.0, 2.0])
    assert (found.values, found.mean, found.interval) == (2, 1.5, None)
