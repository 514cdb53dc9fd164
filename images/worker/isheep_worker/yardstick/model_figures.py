"""The figures of one model on a benchmark: the mean of each metric with its interval.

With one model there is no pairing, so the intervals are wider than those of a difference, and the
intervals of two models say little about which one is better. A comparison needs both models in one
verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from isheep_worker.rows.schema import MetricRow
from isheep_worker.statistics.clusters import cluster_sums
from isheep_worker.statistics.interface import MIN_CLUSTERS, Interval
from isheep_worker.statistics.paired_bootstrap import paired_bootstrap
from isheep_worker.statistics.share_interval import share_interval
from isheep_worker.yardstick.benchmarks import NO_FILTER


@dataclass(frozen=True, slots=True)
class ModelFigure:
    """The mean of a metric over the items of a benchmark.

    `metric` has the name of its filter if the task has several. `clusters` is the number of
    independent units, such as the prompts of IFEval's instructions. `interval` is the 95 % interval
    of the mean over the choice of the items; None for fewer than 30 clusters. `primary` is true for
    one metric.
    """

    metric: str
    higher_is_better: bool
    primary: bool
    items: int
    clusters: int
    mean: float
    interval: Interval | None


@dataclass(slots=True)
class _Gathered:
    higher_is_better: bool
    values: list[float] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)


def model_figures(rows: Iterable[MetricRow], seed: int = 0) -> list[ModelFigure]:
    """Return the figures in the order of their first rows; the first one is primary.

    Args:
        rows: The rows of a score stage.
        seed: The seed of the resamples.
    """
    found: dict[tuple[str, str], _Gathered] = {}
    for row in rows:
        one = found.setdefault((row.metric, row.filter), _Gathered(row.higher_is_better))
        one.values.append(row.value)
        one.clusters.append(row.item if row.cluster is None else row.cluster)
    return [
        ModelFigure(
            metric=metric if name == NO_FILTER else f"{metric},{name}",
            higher_is_better=one.higher_is_better,
            primary=number == 0,
            items=len(one.values),
            clusters=len(set(one.clusters)),
            mean=float(np.mean(one.values)),
            interval=_interval(one.values, one.clusters, seed),
        )
        for number, ((metric, name), one) in enumerate(found.items())
    ]


def _interval(values: Sequence[float], clusters: Sequence[str], seed: int) -> Interval | None:
    """Return Wilson's interval of a share of independent items, else that of a bootstrap."""
    count = len(set(clusters))
    if count < MIN_CLUSTERS:
        return None
    is_share = all(value in (0, 1) for value in values)
    if is_share and count == len(values):
        return share_interval(int(sum(values)), count)
    sums = cluster_sums(np.array(values, dtype=np.float64), clusters)
    if is_share and sums.mean in (0, 1):
        # A resample of items that all agree has no width.
        return share_interval(int(sums.mean) * count, count)
    return paired_bootstrap(sums, np.random.default_rng(seed))
