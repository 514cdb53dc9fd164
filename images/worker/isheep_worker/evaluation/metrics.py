"""The metrics of a benchmark: their directions, and the values of single items.

Comparisons need a value for each item. Most metrics have one: an accuracy is 0 or 1, and a score is
a number. IFEval's accuracy of instructions has a list of truths for each prompt; each of them is an
item, and the prompt is their cluster. Other metrics, such as a perplexity over all words, exist for
the whole benchmark only; lm-eval's results show them, and no comparison does.

What a task returns for an item need not be a value of the metric. For a perplexity it is the
log-probability of the item, which is better if it is higher, while a perplexity is better if it is
lower. So only a mean over items, or a function of the task's own, has values of items.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api import metrics as harness_metrics

from isheep_worker.evaluation.benchmark import Benchmark
from isheep_worker.evaluation.results import ItemScore

_NO_FILTER = "none"
"""The name of lm-eval's filter that changes nothing."""


@dataclass(frozen=True, slots=True)
class ItemValue:
    """The value of an item on a metric; `cluster` is set if items of a prompt belong together."""

    item: str
    value: float
    cluster: str | None = None


def metrics_of(benchmark: Benchmark) -> dict[str, bool]:
    """Return whether a higher value is better, by metric with values of items.

    The metrics are in the order of the tasks. The first one is the primary metric of the benchmark.
    """
    found: dict[str, bool] = {}
    for task in benchmark.tasks.values():
        better = task.higher_is_better()
        for metric, aggregation in task.aggregation().items():
            if _has_item_values(aggregation):
                found.setdefault(metric, bool(better.get(metric, True)))
    return found


def metric_names(benchmark: Benchmark) -> list[str]:
    """Return how a setting can name the metrics with values of items, in order.

    A name is that of a metric, alone or with a filter of a task: `exact_match,strict-match`.
    """
    filters = dict.fromkeys(
        one.name
        for task in benchmark.tasks.values()
        for one in task._filters
        if one.name != _NO_FILTER
    )
    return [
        name
        for metric in metrics_of(benchmark)
        for name in (metric, *(f"{metric},{one}" for one in filters))
    ]


def whole_metrics(benchmark: Benchmark) -> list[str]:
    """Return the metrics without values of items, such as a perplexity."""
    every = (metric for task in benchmark.tasks.values() for metric in task.aggregation())
    return list(dict.fromkeys(every).keys() - metrics_of(benchmark).keys())


def item_values(benchmark: Benchmark, score: ItemScore, metric: str) -> Iterator[ItemValue]:
    """Yield the values of an item on one of its metrics; none if the metric has no such values."""
    if not _has_item_values(benchmark.tasks[score.task].aggregation().get(metric)):
        return
    value, item = score.metrics[metric], f"{score.task}/{score.doc}"
    if _is_number(value):
        yield ItemValue(item, float(value))
    elif _is_list_of_truths(value):
        for number, one in enumerate(value):
            yield ItemValue(f"{item}/{number}", float(one), cluster=item)


def _has_item_values(aggregation: Any) -> bool:
    """Return whether a figure is a mean of values of items; lm-eval's default is the mean."""
    is_own = getattr(aggregation, "__module__", None) == harness_metrics.__name__
    return not is_own or aggregation in (harness_metrics.mean, harness_metrics.nanmean)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_list_of_truths(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(one, bool) for one in value)
    )
