"""From the rows of score stages to the series of benchmarks that a verdict compares.

All scores of a benchmark in a prompt format have the same requests, because the digest of the
requests is in the settings of their stages. The two formats of M(0) have different requests; only
the values of the same items are compared across formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isheep.contract.choices import BenchmarkRole, PromptFormat
from isheep.recipes.evaluation_settings import ComparedBenchmark, ScoredModel
from isheep_worker.evaluation.drawing import Share
from isheep_worker.rows.schema import MetricRow
from isheep_worker.yardstick.benchmarks import BenchmarkSeries

_Model = tuple[int, PromptFormat]


@dataclass(slots=True)
class _Gathered:
    """The values of one metric with one filter: by model, and what is known of the items."""

    higher_is_better: bool
    values: dict[_Model, dict[str, float]] = field(default_factory=dict)
    clusters: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    def add(self, model: _Model, row: MetricRow) -> None:
        self.values.setdefault(model, {})[row.item] = row.value
        self.hashes[row.item] = row.item_hash
        if row.cluster is not None:
            self.clusters[row.item] = row.cluster


def benchmark_series(
    benchmarks: Iterable[ComparedBenchmark],
    scores: Sequence[tuple[ScoredModel, Iterable[MetricRow]]],
) -> list[BenchmarkSeries]:
    """Return one series for each benchmark, role and metric; the first metric is the primary one.

    Args:
        benchmarks: The benchmarks of the verdict.
        scores: Each scored model with its rows.
    """
    return [one for benchmark in benchmarks for one in _series(benchmark, scores)]


def _series(
    benchmark: ComparedBenchmark, scores: Sequence[tuple[ScoredModel, Iterable[MetricRow]]]
) -> list[BenchmarkSeries]:
    gathered: dict[tuple[str, str], _Gathered] = {}
    for model, rows in scores:
        if model.benchmark != benchmark.name:
            continue
        for row in rows:
            found = gathered.setdefault((row.metric, row.filter), _Gathered(row.higher_is_better))
            found.add((model.t, model.prompt_format), row)
    return [
        _of_role(benchmark, role, share, name, found, primary=number == 0)
        for role, share in _shares(benchmark)
        for number, (name, found) in enumerate(gathered.items())
    ]


def _shares(benchmark: ComparedBenchmark) -> list[tuple[BenchmarkRole, Share]]:
    if benchmark.validation is None:
        return [(benchmark.role, Share())]
    end = benchmark.validation
    return [("Validation", Share(end=end)), ("Test", Share(begin=end))]


def _of_role(
    benchmark: ComparedBenchmark,
    role: BenchmarkRole,
    share: Share,
    name: tuple[str, str],
    found: _Gathered,
    *,
    primary: bool,
) -> BenchmarkSeries:
    later = benchmark.later_format
    inside = {item for item, value in found.hashes.items() if share.has(value)}
    values = {
        model: {item: value for item, value in by_item.items() if item in inside}
        for model, by_item in found.values.items()
    }
    others = [prompt_format for t, prompt_format in values if t == 0 and prompt_format != later]
    return BenchmarkSeries(
        name=benchmark.name,
        role=role,
        metric=name[0],
        filter=name[1],
        higher_is_better=found.higher_is_better,
        primary=primary,
        prompt_format=later,
        values={
            t: by_item for (t, prompt_format), by_item in values.items() if prompt_format == later
        },
        other_format=others[0] if others else None,
        other_base=values[0, others[0]] if others else None,
        clusters=_inside(found.clusters, inside),
    )


def _inside(clusters: Mapping[str, str], inside: set[str]) -> dict[str, str]:
    return {item: cluster for item, cluster in clusters.items() if item in inside}
