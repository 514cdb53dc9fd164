"""The metrics of a benchmark: their directions, and the values of single items.

Comparisons need a value for each item. Most metrics have one: an accuracy is 0 or 1, and a score is
a number. IFEval's accuracy of instructions has a list of truths for each prompt; each of them is an
item, and the prompt is their cluster. Other metrics, such as a perplexity over all words, exist for
the whole benchmark only; lm-eval's results show them, and no comparison does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from isheep_worker.evaluation.benchmark import Benchmark
from isheep_worker.evaluation.results import ItemScore


@dataclass(frozen=True, slots=True)
class ItemValue:
    """The value of an item on a metric; `cluster` is set if items of a prompt belong together."""

    item: str
    value: float
    cluster: str | None = None


def metrics_of(benchmark: Benchmark) -> dict[str, bool]:
    """Return whether a higher value is better, by metric, in the order of the tasks.

    The first one is the primary metric of the benchmark.
    """
    found: dict[str, bool] = {}
    for task in benchmark.tasks.values():
        better = task.higher_is_better()
        for metric in task.aggregation():
            found.setdefault(metric, bool(better.get(metric, True)))
    return found


def item_values(score: ItemScore, metric: str) -> Iterator[ItemValue]:
    """Yield the values of an item on one of its metrics; none if the metric has no such values."""
    value, item = score.metrics[metric], f"{score.task}/{score.doc}"
    if _is_number(value):
        yield ItemValue(item, float(value))
    elif _is_list_of_truths(value):
        for number, one in enumerate(value):
            yield ItemValue(f"{item}/{number}", float(one), cluster=item)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_list_of_truths(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(one, bool) for one in value)
    )
