"""How strongly a figure changed, as a one-sided p-value.

A figure of the same items at both looks is compared item by item. Any other figure is compared by
the standard errors of both looks, with the degrees of freedom of the smaller one, which is the
careful choice of Welch's test. Below 30 clusters nothing is concluded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from isheep_worker.collapse.interface import Figure
from isheep_worker.statistics.interface import MIN_CLUSTERS


@dataclass(frozen=True, slots=True)
class FigureChange:
    """The values of a figure at two looks, over `items` items, and their difference.

    Values of paired figures are means over the common items. `p_up` and `p_down` are the one-sided
    p-values of "the figure did not rise" and "the figure did not fall".
    """

    before: float
    after: float
    items: int
    p_up: float
    p_down: float


def figure_change(before: Figure, after: Figure) -> FigureChange | None:
    """Return the change of a figure; None if a look has too few clusters or no value."""
    if before.ids is not None and after.ids is not None:
        return _paired(before, after)
    errors = (before.standard_error, after.standard_error)
    clusters = min(before.clusters, after.clusters)
    if before.value is None or after.value is None or None in errors or clusters < MIN_CLUSTERS:
        return None
    error = math.hypot(*(error or 0.0 for error in errors))
    return _change(before.value, after.value, min(before.n, after.n), error, clusters)


def _paired(before: Figure, after: Figure) -> FigureChange | None:
    values = dict(zip(before.ids or (), before.items, strict=True))
    common = [
        (values[name], value)
        for name, value in zip(after.ids or (), after.items, strict=True)
        if name in values
    ]
    if len(common) < MIN_CLUSTERS:
        return None
    pairs: Any = np.array(common)
    differences = pairs[:, 1] - pairs[:, 0]
    error = float(differences.std(ddof=1)) / math.sqrt(len(pairs))
    first, last = (float(mean) for mean in pairs.mean(axis=0))
    return _change(first, last, len(pairs), error, len(pairs))


def _change(before: float, after: float, items: int, error: float, clusters: int) -> FigureChange:
    from scipy.stats import t  # noqa: PLC0415 (heavy)

    difference = after - before
    if error == 0:
        statistic = math.copysign(math.inf, difference) if difference else 0.0
    else:
        statistic = difference / error
    p_up, p_down = (float(p) for p in t.sf([statistic, -statistic], clusters - 1))
    return FigureChange(before, after, items, p_up, p_down)
