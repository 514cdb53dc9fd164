"""The interval type, and the number of clusters below which nothing is concluded.

With fewer than 30 clusters, the intervals of this package cover the true value less often than they
claim, and a comparison says only that there are too few items.
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_CLUSTERS = 30
"""The smallest number of clusters for which an interval is computed."""
CONFIDENCE = 0.95
"""The confidence of an interval if nothing else is requested."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, in the unit of the estimated value; both ends belong to it."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        """Return whether the value is in the interval."""
        return self.low <= value <= self.high


def check_confidence(confidence: float) -> None:
    """Raise ValueError if a confidence is not between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must be above 0 and below 1")
