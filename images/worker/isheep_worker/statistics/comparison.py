"""The comparison of two models on the same items: the one entry to this package.

All code that compares two models calls `compare`, so that no figure is shown without its number of
items and its interval. Values of 0 and 1 with one item a cluster are shares: they get Tango's
interval and McNemar's exact test. All other values get the bootstrap and the randomization test
over clusters. Below 30 clusters there is neither an interval nor a p-value.

The interval covers the choice of the items. It does not cover the random seed of the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from isheep_worker.statistics.clusters import ClusterSums, cluster_sums
from isheep_worker.statistics.interface import (
    CONFIDENCE,
    MIN_CLUSTERS,
    Interval,
    check_confidence,
)
from isheep_worker.statistics.mcnemar import mcnemar
from isheep_worker.statistics.paired_bootstrap import paired_bootstrap
from isheep_worker.statistics.share_difference import share_difference
from isheep_worker.statistics.sign_flip import sign_flip

Change: TypeAlias = Literal["Higher", "Lower", "NotSignificant", "TooFewItems"]
"""The direction of a significant difference, or why there is none."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same items; all values have the unit of the compared values.

    `before` and `after` are means over items, and `difference` is `after` minus `before`.
    `interval` and `p` are None if there are too few clusters.
    """

    items: int
    clusters: int
    before: float
    after: float
    difference: float
    confidence: float
    interval: Interval | None
    p: float | None

    @property
    def change(self) -> Change:
        """The direction of the difference if both the interval and the test exclude 0."""
        if self.interval is None or self.p is None:
            return "TooFewItems"
        # The two methods differ slightly, and a verdict must contradict neither of them.
        if 0 in self.interval or self.p > 1 - self.confidence:
            return "NotSignificant"
        return "Higher" if self.difference > 0 else "Lower"

    @property
    def verdict(self) -> str:
        """The change as words for people."""
        if self.change == "TooFewItems":
            grouped = self.clusters < self.items
            count = f"{self.items} in {self.clusters} clusters" if grouped else f"{self.items}"
            return f"too few items ({count})"
        return _VERDICTS[self.change]


_VERDICTS = {
    "Higher": "significantly higher",
    "Lower": "significantly lower",
    "NotSignificant": "no significant difference",
}


def compare(
    before: Any,
    after: Any,
    clusters: Sequence[object] | None,
    rng: Any,
    *,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare two models on the same items.

    Args:
        before: The values of the first model, a float array [items].
        after: The values of the second model, a float array [items] in the same order.
        clusters: The cluster of each item, such as the id of its prompt; None if each item is
            its own cluster.
        rng: A numpy Generator.
        confidence: The confidence of the interval.

    Returns:
        The comparison.

    Raises:
        ValueError: There is no item, the lengths differ, or a value is not finite.
    """
    check_confidence(confidence)
    before, after = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(
            f"the values have the shapes {before.shape} and {after.shape}; both must be [items]"
        )
    differences = cluster_sums(after - before, range(len(before)) if clusters is None else clusters)
    interval, p = None, None
    if len(differences) >= MIN_CLUSTERS:
        interval, p = _concluded(before, after, differences, rng, confidence)
    return Comparison(
        items=len(before),
        clusters=len(differences),
        before=float(before.mean()),
        after=float(after.mean()),
        difference=differences.mean,
        confidence=confidence,
        interval=interval,
        p=p,
    )


def _concluded(
    before: Any, after: Any, differences: ClusterSums, rng: Any, confidence: float
) -> tuple[Interval, float]:
    """Return the interval and the p-value of the method that fits the values."""
    count = len(differences)
    if _is_binary(before) and _is_binary(after):
        gained, lost = int((after > before).sum()), int((after < before).sum())
        if count == len(before):
            interval = share_difference(gained, lost, count, confidence=confidence)
            return interval, mcnemar(gained, lost)
        if gained + lost == 0:
            # A resample of items that all agree has no width. Tango's interval for one item a
            # cluster is wider than that for all items.
            return share_difference(0, 0, count, confidence=confidence), 1.0
    interval = paired_bootstrap(differences, rng, confidence=confidence)
    return interval, sign_flip(differences, rng)


def _is_binary(values: Any) -> bool:
    return bool(((values == 0) | (values == 1)).all())
