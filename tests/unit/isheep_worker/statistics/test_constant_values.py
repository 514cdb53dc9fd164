"""The interval of equal values against the exact binomial interval, and within its bounds."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from isheep_worker.statistics.constant_values import constant_interval


@pytest.mark.parametrize("items", [1, 30, 200])
def test_shares_have_the_exact_binomial_interval(items: int) -> None:
    for value in (0, 1):
        exact = binomtest(value * items, items).proportion_ci(method="exact")
        found = constant_interval(value, items, 0, 1)
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_other_items_can_have_any_value_between_the_bounds() -> None:
    found = constant_interval(0.5, 40, 0, 1)
    assert found.low == pytest.approx(0.456, abs=1e-3)
    assert found.high == pytest.approx(0.544, abs=1e-3)
    assert constant_interval(0.5, 4000, 0, 1).high < 0.501


def test_impossible_values_are_refused() -> None:
    for value, items in ((1.5, 10), (0.5, 0)):
        with pytest.raises(ValueError, match="are not within 0 and 1"):
            constant_interval(value, items, 0, 1)
