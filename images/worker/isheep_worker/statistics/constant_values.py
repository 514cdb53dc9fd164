"""The interval of the mean of bounded values if all values of the sample are equal.

A resample of equal values has no width, although other items could have other values. The exact
binomial interval (Clopper and Pearson 1934, Biometrika 26) bounds the share of such items: if all
of n items agree, at least a share q = (alpha / 2)^(1 / n) of all items does. The others have some
value between the bounds, and the interval allows for each of them.
"""

from __future__ import annotations

from isheep_worker.statistics.interface import CONFIDENCE, Interval, check_confidence


def constant_interval(
    value: float, items: int, low: float, high: float, *, confidence: float = CONFIDENCE
) -> Interval:
    """Return the interval of the mean.

    Args:
        value: The value of all items of the sample.
        items: The number of items, at least 1.
        low: The smallest value that an item can have.
        high: The largest value that an item can have.
        confidence: The confidence of the interval.

    Raises:
        ValueError: The value is not between the bounds, or there are no items.
    """
    check_confidence(confidence)
    if not low <= value <= high or items < 1:
        raise ValueError(f"{items} items with the value {value} are not within {low} and {high}")
    agreeing = ((1 - confidence) / 2) ** (1 / items)
    return Interval(
        agreeing * value + (1 - agreeing) * low, agreeing * value + (1 - agreeing) * high
    )
