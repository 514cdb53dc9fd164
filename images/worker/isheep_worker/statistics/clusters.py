"""Sums of items by cluster: the units that are resampled.

Items of one cluster are not independent: the instructions of one IFEval prompt, or the turns of one
MT-Bench question. All methods of this package therefore draw, or exchange, whole clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class ClusterSums:
    """The sum and the number of the items of each cluster; two float arrays [clusters]."""

    sums: Any
    sizes: Any

    def __len__(self) -> int:
        return len(self.sums)

    @property
    def mean(self) -> float:
        """The mean over all items."""
        return float(self.sums.sum() / self.sizes.sum())


def cluster_sums(values: Any, clusters: Sequence[object]) -> ClusterSums:
    """Return the sums of values by cluster.

    Args:
        values: The values of the items, a float array [items].
        clusters: The cluster of each item, such as the id of its prompt; `items` hashable values.

    Returns:
        The sums and sizes, in the order in which the clusters first occur.

    Raises:
        ValueError: There is no item, a value is not finite, or the lengths differ.
    """
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values have {len(clusters)} clusters; give one for each")
    if not len(values):
        raise ValueError("there are no items")
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite; leave out items without a value")
    numbers: dict[object, int] = {}
    places = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    return ClusterSums(
        np.bincount(places, weights=values),
        np.bincount(places).astype(np.float64),
    )
