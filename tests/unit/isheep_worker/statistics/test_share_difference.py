"""Tango's interval agrees with published values and with its definition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.statistics.share_difference import share_difference


# The counts of gained, lost and all items, and the interval.
@pytest.mark.parametrize(
    ("gained", "lost", "items", "low", "high"),
    [
        # Airway hyper-responsiveness (Bentur et al. 2009) in Fagerland et al. (2014).
        (1, 7, 21, -0.517, -0.026),
        # The equation has a closed solution if no item, or each item, is gained or lost.
        (0, 0, 50, -3.8415 / 53.8415, 3.8415 / 53.8415),
        (50, 0, 50, 46.1585 / 53.8415, 1.0),
        (0, 50, 50, -1.0, -46.1585 / 53.8415),
    ],
)
def test_intervals_are_those_of_the_literature(
    gained: int, lost: int, items: int, low: float, high: float
) -> None:
    interval = share_difference(gained, lost, items)
    assert interval.low == pytest.approx(low, abs=5e-4)
    assert interval.high == pytest.approx(high, abs=5e-4)


COUNTS = st.integers(1, 60).flatmap(
    lambda items: st.integers(0, items).flatmap(
        lambda gained: st.tuples(st.just(gained), st.integers(0, items - gained), st.just(items))
    )
)


@given(COUNTS)
def test_the_interval_contains_the_difference_and_is_symmetric(
    counts: tuple[int, int, int],
) -> None:
    gained, lost, items = counts
    interval = share_difference(gained, lost, items)
    assert -1 <= interval.low <= (gained - lost) / items <= interval.high <= 1
    swapped = share_difference(lost, gained, items)
    assert (-swapped.high, -swapped.low) == pytest.approx((interval.low, interval.high))


def test_many_items_give_the_interval_of_the_normal_distribution() -> None:
    interval = share_difference(6_000, 4_000, 100_000)
    half = 1.96 * math.sqrt(0.1 - 0.02**2) / math.sqrt(100_000)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=1e-3)


@pytest.mark.parametrize(("gained", "lost", "items"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_impossible_counts_are_refused(gained: int, lost: int, items: int) -> None:
    with pytest.raises(ValueError, match="counts cannot be negative"):
        share_difference(gained, lost, items)
