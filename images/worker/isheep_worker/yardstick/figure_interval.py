"""The interval of a figure of D(t), from its standard error over clusters.

The clusters are the completions that the rows are from: rows of one completion resemble each other.
The quantile is that of Student's t distribution with one degree of freedom less than clusters.
"""

from __future__ import annotations

from isheep_worker.collapse.interface import Figure
from isheep_worker.statistics.interface import CONFIDENCE, MIN_CLUSTERS, Interval

_SHARE = "share"


def figure_interval(figure: Figure, unit: str) -> Interval | None:
    """Return the 95 % interval of a figure in its unit.

    Args:
        figure: The figure.
        unit: The unit of its value. A share is between 0 and 1.

    Returns:
        None if there are fewer than 30 clusters, or if all items are equal: then the standard error
        is 0, which says nothing about the items that were not drawn.
    """
    error = figure.standard_error
    if figure.value is None or not error or figure.clusters < MIN_CLUSTERS:
        return None
    from scipy.stats import t  # noqa: PLC0415 (heavy)

    half = error * float(t.ppf((1 + CONFIDENCE) / 2, figure.clusters - 1))
    low, high = figure.value - half, figure.value + half
    return Interval(max(low, 0.0), min(high, 1.0)) if unit == _SHARE else Interval(low, high)
