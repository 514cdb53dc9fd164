"""The interval of one share: Wilson's score interval.

The source is Wilson (1927), Journal of the American Statistical Association 22; scipy computes it.
It has a width if all items agree, too. The items must be independent.
"""

from __future__ import annotations

from isheep_worker.statistics.interface import (
    CONFIDENCE,
    MIN_CLUSTERS,
    Interval,
    check_confidence,
)


def share_interval(
    successes: int, items: int, *, confidence: float = CONFIDENCE
) -> Interval | None:
    """Return the interval of a share; None for fewer than 30 items.

    Args:
        successes: The number of items that have the property.
        items: The number of all items.
        confidence: The confidence, between 0 and 1.

    Raises:
        ValueError: The number of successes is negative or above the number of items.
    """
    check_confidence(confidence)
    if not 0 <= successes <= items:
        raise ValueError(f"{successes} of {items} items is no share: give a number from 0 to it")
    if items < MIN_CLUSTERS:
        return None
    from scipy.stats import binomtest  # noqa: PLC0415 (heavy)

    found = binomtest(successes, items).proportion_ci(confidence, method="wilson")
    return Interval(float(found.low), float(found.high))
