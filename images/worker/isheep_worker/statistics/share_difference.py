"""The interval of a difference of two shares of paired items: Tango's score interval.

The source is Tango (1998), "Equivalence test and confidence interval for the difference in
proportions for the paired-sample design", Statistics in Medicine 17. The interval contains each
difference that a score test does not reject. statsmodels 0.15 has no interval for the difference
of paired shares.

An interval from the variance of the sample has no width if all items agree. Tango's interval has a
width then too. Its mean coverage over a grid is 94 to 96 % from 50 items
(`benchmarks/interval_coverage.py`). The items must be independent.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from isheep_worker.statistics.interface import CONFIDENCE, Interval, check_confidence


def share_difference(
    gained: int, lost: int, items: int, *, confidence: float = CONFIDENCE
) -> Interval:
    """Return the interval of the difference of two shares, after minus before.

    Args:
        gained: The number of items that only the later answer solves.
        lost: The number of items that only the earlier answer solves.
        items: The number of all items, at least 1.
        confidence: The confidence, between 0 and 1.

    Returns:
        The interval, between -1 and 1.

    Raises:
        ValueError: The counts are negative or above the number of items.
    """
    check_confidence(confidence)
    if min(gained, lost) < 0 or items < 1 or gained + lost > items:
        raise ValueError(
            f"{gained} gained and {lost} lost items of {items}: counts cannot be negative, and "
            "their sum cannot be above the number of items"
        )
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    high = _upper_end(gained, lost, items, quantile)
    return Interval(-_upper_end(lost, gained, items, quantile), high)


def _upper_end(gained: int, lost: int, items: int, quantile: float) -> float:
    """Return the largest difference that the score test does not reject."""
    from scipy.optimize import brentq  # noqa: PLC0415 (heavy)

    difference = (gained - lost) / items
    if difference == 1:
        return 1.0

    def excess(delta: float) -> float:
        return _score(gained, lost, items, delta) + quantile

    # The score is 0 at the observed difference and decreases without a bound towards 1.
    return float(brentq(excess, difference, 1 - 1e-12, xtol=1e-10))


def _score(gained: int, lost: int, items: int, delta: float) -> float:
    """Return the score statistic for the true difference `delta`."""
    numerator = gained - lost - items * delta
    if numerator == 0:
        return 0.0
    # The likelihood with this difference is greatest at a root of a quadratic equation.
    b = (2 * items - gained + lost) * delta - gained - lost
    c = -lost * delta * (1 - delta)
    share = (math.sqrt(max(b * b - 8 * items * c, 0.0)) - b) / (4 * items)
    return numerator / math.sqrt(items * (2 * share + delta * (1 - delta)))
