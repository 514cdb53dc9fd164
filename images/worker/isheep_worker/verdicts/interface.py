"""A model on one metric: the value of each item, in the same order for every model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isheep_worker.statistics.comparison import Comparison, compare


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """The values of M(t), `iteration` = t, on the items of one metric: a float array [items]."""

    iteration: int
    values: Any


@dataclass(frozen=True, slots=True)
class Metric:
    """How two models are compared on one metric.

    `clusters` has the cluster of each item; None if the items are independent. The direction is
    that of a better model.
    """

    clusters: Sequence[object] | None = None
    higher_is_better: bool = True

    def comparison(self, before: MeasuredModel, after: MeasuredModel, rng: Any) -> Comparison:
        """Return the comparison of two models."""
        return compare(before.values, after.values, self.clusters, rng)

    def is_better(self, comparison: Comparison) -> bool:
        """Return whether the later model of a comparison is significantly better."""
        return comparison.change == ("Higher" if self.higher_is_better else "Lower")


def check_order(models: Sequence[MeasuredModel]) -> None:
    """Raise ValueError if the models are not M(0), M(1), … in order of t."""
    iterations = [model.iteration for model in models]
    if not iterations or iterations != sorted(set(iterations)) or iterations[0] != 0:
        raise ValueError(
            f"the models have t = {iterations}; give each t once, in order, with M(0) as the first"
        )
