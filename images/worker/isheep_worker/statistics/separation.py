"""How well a score separates two values of the same items: the area under the ROC curve.

The area (AUC) is the probability that a random first value is larger than a random second value,
and an equal pair counts one half (Hanley and McNeil 1982, Radiology 143). 0.5 is chance, and 1 is a
perfect separation. Both values of an item depend on each other, so the interval resamples items and
not values: a percentile bootstrap. If all pairs of values compare in the same way, all resamples
have the same area. Then the interval is that of `constant_values`. An area is about two items, so
the number of items counts as half of itself there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isheep_worker.statistics.constant_values import constant_interval
from isheep_worker.statistics.interface import CONFIDENCE, Interval, check_confidence

MIN_ITEMS = 50
"""The smallest number of items for which an area is computed."""
_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Separation:
    """The area under the curve over `items` items; None with fewer than 50 items."""

    items: int
    area: float | None
    interval: Interval | None


def separation(
    first: Any, second: Any, generator: np.random.Generator, *, confidence: float = CONFIDENCE
) -> Separation:
    """Return how often the first value is the larger one.

    Args:
        first: A float array [items].
        second: A float array [items], of the same items in the same order.
        generator: The random numbers of the resampling.
        confidence: The confidence of the interval.

    Raises:
        ValueError: The lengths differ, or a value is not finite.
    """
    check_confidence(confidence)
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or not np.isfinite([first, second]).all():
        raise ValueError("a separation needs two finite values for each item")
    items = len(first)
    if items < MIN_ITEMS:
        return Separation(items, None, None)
    # How often each first value is larger than each second value: a resample is then a sum.
    wins = (first[:, None] > second) + 0.5 * (first[:, None] == second)
    area = float(wins.mean())
    if (wins == area).all():
        interval = constant_interval(area, items // 2, 0.0, 1.0, confidence=confidence)
        return Separation(items, area, interval)
    counts = generator.multinomial(items, np.full(items, 1 / items), size=_RESAMPLES).astype(float)
    # Sums of halves are exact, so an interval that ends at 0.5 or 1 ends exactly there.
    areas = np.einsum("bi,ij,bj->b", counts, wins, counts, optimize=True) / items**2
    tail = (1 - confidence) / 2
    low, high = (float(np.quantile(areas, share)) for share in (tail, 1 - tail))
    return Separation(items, area, Interval(low, high))
