"""A benchmark over the models of a run: the value of each item on one metric, for each M(t).

The comparison of models, the best model and the rule for stopping read these series. With the
prompt format RawThenChat, M(1) and later models answer in the chat format. M(0) knows only raw
text, so it is evaluated in both formats, and its better one counts. Otherwise a model that has only
learned the format would be called better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isheep.contract.choices import BenchmarkRole, PromptFormat
from isheep_worker.verdicts.interface import MeasuredModel, Metric

Values = Mapping[str, float]
"""The value of each item by the item's id."""
NO_FILTER = "none"
"""The name of lm-eval's filter that changes nothing."""


@dataclass(frozen=True, slots=True)
class BenchmarkSeries:
    """The values of M(0), M(1), … on one metric of a benchmark, for the items of one role.

    `values` has the values by t, all in `prompt_format`; a model that could not be evaluated is
    missing. `other_base` has the values of M(0) in `other_format`, None if it was evaluated in one
    format only. `clusters` has the cluster of each item that is not independent of others, such as
    the prompt of an instruction of IFEval. `primary` is true for one metric of a benchmark; the
    others are exploratory.
    """

    name: str
    role: BenchmarkRole
    metric: str
    filter: str
    higher_is_better: bool
    primary: bool
    prompt_format: PromptFormat
    values: Mapping[int, Values]
    other_format: PromptFormat | None = None
    other_base: Values | None = None
    clusters: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The metric, with its filter if the task has several: `exact_match,strict-match`."""
        return self.metric if self.filter == NO_FILTER else f"{self.metric},{self.filter}"

    def items(self) -> list[str]:
        """Return the ids of the items that every model of the series has, sorted."""
        sets = [set(values) for values in self.values.values()]
        if self.other_base is not None:
            sets.append(set(self.other_base))
        return sorted(set.intersection(*sets)) if sets else []

    def base_format(self) -> PromptFormat:
        """Return the prompt format in which M(0) is better; `prompt_format` if both are equal."""
        if self.other_base is None or self.other_format is None or 0 not in self.values:
            return self.prompt_format
        items = self.items()
        own, other = _mean(self.values[0], items), _mean(self.other_base, items)
        better = other > own if self.higher_is_better else other < own
        return self.other_format if better else self.prompt_format

    def base_values(self) -> Values:
        """Return the values of M(0) in its better prompt format."""
        if self.other_base is not None and self.base_format() == self.other_format:
            return self.other_base
        return self.values[0]

    def measured_models(self) -> list[MeasuredModel]:
        """Return M(0) in its better format, M(1), … with the items that all of them have.

        The list is empty if M(0) was not evaluated, or if the models have no item in common.
        """
        items = self.items()
        if 0 not in self.values or not items:
            return []
        by_t = {**self.values, 0: self.base_values()}
        return [MeasuredModel(t, _array(by_t[t], items)) for t in sorted(by_t)]

    def rule(self) -> Metric:
        """Return how two models of `measured_models` are compared."""
        items = self.items()
        clusters = [self.clusters.get(item, item) for item in items] if self.clusters else None
        return Metric(clusters, self.higher_is_better)


def series_of(
    found: Iterable[BenchmarkSeries], metric: str, role: BenchmarkRole
) -> BenchmarkSeries | None:
    """Return the series that a setting names, or None if there is none.

    Args:
        found: The series of a verdict.
        metric: `<benchmark>` for its primary metric, or `<benchmark>/<metric>`; the metric can name
            its filter, such as `exact_match,strict-match`.
        role: The role whose items are wanted.
    """
    name, _, wanted = metric.partition("/")
    for one in found:
        named = wanted in {one.metric, one.label} if wanted else one.primary
        if one.name == name and one.role == role and named:
            return one
    return None


def _array(values: Values, items: Iterable[str]) -> Any:
    return np.array([values[item] for item in items], dtype=np.float64)


def _mean(values: Values, items: Iterable[str]) -> float:
    found = _array(values, items)
    return float(found.mean()) if len(found) else 0.0
