"""Kendall's rank correlation of two lists of values, with an interval.

The coefficient is tau-b, which allows for ties (Kendall 1945). The interval uses the
transformation of Fisher with the standard error of Fieller, Hartley and Pearson (1957, Biometrika
44), 0.437 / (n - 4), as Bonett and Wright (2000, Psychometrika 65) recommend. Scores have many
ties, and the standard error is then slightly too large, so the interval is slightly too wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from isheep_worker.statistics.interface import CONFIDENCE, Interval, check_confidence

MIN_ITEMS = 50
"""The smallest number of items for which a correlation is computed."""


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Kendall's tau-b, between -1 and 1, over `items` pairs of values.

    If there are fewer than 50 items, or if all values of one list are equal, the coefficient is
    None. The interval is None too then.
    """

    items: int
    tau: float | None
    interval: Interval | None


def rank_correlation(first: Any, second: Any, *, confidence: float = CONFIDENCE) -> RankCorrelation:
    """Return the rank correlation of two lists of values of the same items.

    Args:
        first: A float array [items].
        second: A float array [items], in the same order.
        confidence: The confidence of the interval.

    Returns:
        The correlation. If tau is 1 or -1, both ends of the interval are this value.

    Raises:
        ValueError: The lengths differ, or a value is not finite.
    """
    check_confidence(confidence)
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or not np.isfinite([first, second]).all():
        raise ValueError("a rank correlation needs two finite values for each item")
    items = len(first)
    if items < MIN_ITEMS or np.ptp(first) == 0 or np.ptp(second) == 0:
        return RankCorrelation(items, None, None)
    from scipy.stats import kendalltau  # noqa: PLC0415 (heavy)

    tau = min(1.0, max(-1.0, float(kendalltau(first, second).statistic)))
    if abs(tau) > 1 - 1e-12:
        return RankCorrelation(items, tau, Interval(tau, tau))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(0.437 / (items - 4))
    centre = math.atanh(tau)
    interval = Interval(math.tanh(centre - half), math.tanh(centre + half))
    return RankCorrelation(items, tau, interval)
