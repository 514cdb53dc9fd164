"""The types of a figure: its definition, and its value with the number of items behind it.

A figure is a mean over items, so that its standard error is known and a guard can decide whether a
change is more than chance. A figure with `ids` has one value for each item, and two such figures
are compared item by item. The items of other figures differ between two iterations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: `value` is the mean over `n` items; None if no item has a value.

    The items are in `clusters` groups of items that are not independent. `standard_error` has the
    unit of the value and allows for the groups; None for fewer than two groups. `items` is the
    float array [n] of the items' values, None if the figure is no mean (a correlation). `ids` names
    the items in their order if they are the same in each iteration.
    """

    value: float | None
    n: int
    clusters: int
    standard_error: float | None = None
    items: Any = None
    ids: tuple[str, ...] | None = None


NO_FIGURE = Figure(None, 0, 0)
"""The figure of rows that do not have what the figure needs."""


def mean_figure(items: Any, ids: Sequence[str] | None = None, *, groups: Any = None) -> Figure:
    """Return the figure of values of items.

    The standard error is that of a mean over clusters (a ratio estimator).

    Args:
        items: A float array [n]. Items without a value are NaN, and are left out.
        ids: The names of the items if they are the same in each iteration, in the same order.
        groups: The group of each item, an int array [n]; None if the items are independent.

    Returns:
        The figure; it has no value if no item has one.
    """
    items = np.asarray(items, dtype=float)
    known = np.isfinite(items)
    values = items[known]
    if not len(values):
        return NO_FIGURE
    mean = float(values.mean())
    deviations = values - mean
    if groups is not None:
        places = np.unique(groups[known], return_inverse=True)[1]
        deviations = np.bincount(places, weights=deviations)
    clusters, error = len(deviations), None
    if clusters > 1:
        squares = float((deviations**2).sum())
        error = math.sqrt(clusters / (clusters - 1) * squares) / len(values)
    names = None
    if ids is not None:
        names = tuple(name for name, is_known in zip(ids, known, strict=True) if is_known)
    return Figure(mean, len(values), clusters, error, values, names)


SourceT = TypeVar("SourceT")


@dataclass(frozen=True, slots=True)
class FigureDefinition(Generic[SourceT]):
    """A figure: its name, its meaning in a sentence, its unit, its source, and its computation."""

    name: str
    meaning: str
    unit: str
    source: str
    compute: Callable[[SourceT], Figure]
