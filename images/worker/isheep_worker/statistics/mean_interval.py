"""The mean of a few independent values, with the interval of Student's t distribution.

The values are for example the results of runs that differ in their random seed only. Their spread
is what an interval over items cannot show: the chance of the training and of the sampling.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from isheep_worker.statistics.interface import CONFIDENCE, Interval, check_confidence

MIN_VALUES = 3
"""The smallest number of values for which an interval is computed."""


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """The mean over `values` values; `interval` is None if there are fewer than three."""

    values: int
    mean: float
    interval: Interval | None


def mean_interval(values: Sequence[float], *, confidence: float = CONFIDENCE) -> MeanInterval:
    """Return the mean of independent values and its interval.

    Args:
        values: At least one value, in any unit; the result has the same unit.
        confidence: The confidence of the interval.
    """
    check_confidence(confidence)
    mean = statistics.fmean(values)
    if len(values) < MIN_VALUES:
        return MeanInterval(len(values), mean, None)
    from scipy.stats import t  # noqa: PLC0415 (heavy)

    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * statistics.stdev(values)
    half /= len(values) ** 0.5
    return MeanInterval(len(values), mean, Interval(mean - half, mean + half))
