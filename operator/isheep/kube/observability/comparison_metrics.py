"""The metrics of runs with a verdict: comparisons with M(0), alarms and the best model. Pure.

A difference of two models means little without its interval and the number of items. So each
comparison is four metrics with the same labels: the value, the ends of its interval, and the items.
With too few items, a run has no series of the ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily

from isheep.kube.observability.run_figures import Compared, ComparedFigures, RunFigures

_RUN = ("run_namespace", "run")


@dataclass(frozen=True, slots=True)
class _Family:
    """The metrics of one comparison: the name of the value, its help, and the labels of a run."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


_FAMILIES: dict[Compared, _Family] = {
    "Loss": _Family(
        "isheep_run_loss_difference",
        "Loss of the newest M(t) on the yardstick minus that of M(0), in nats a token",
    ),
    "Benchmark": _Family(
        "isheep_run_benchmark_difference",
        "Mean of the newest M(t) on the first benchmark minus that of M(0)",
        ("benchmark",),
    ),
    "BestBenchmark": _Family(
        "isheep_run_best_benchmark_difference",
        "Mean of the best M(t) on the first benchmark minus that of M(0)",
        ("benchmark",),
    ),
    "WinRate": _Family(
        "isheep_run_win_rate", "Win rate of the newest M(t) on the first judgement", ("judgement",)
    ),
    "Grade": _Family(
        "isheep_run_grade_difference",
        "Mean grade of the newest M(t) on the first judgement with grades minus that of M(0)",
        ("judgement", "turns"),
    ),
}
_PARTS = {
    "": "",
    "_lower": ": lower end of the 95 % interval",
    "_upper": ": upper end of the 95 % interval",
    "_items": ": number of items",
}


def comparison_families(
    runs: Iterable[tuple[str, str, RunFigures]],
) -> Iterator[GaugeMetricFamily]:
    """Yield the alarms, the comparisons and the best models of runs.

    Args:
        runs: Namespace, name and figures of each run; the caller bounds their number. A run has at
            most 26 series.
    """
    alarms = GaugeMetricFamily(
        "isheep_run_alarms", "Alarms of the guards at the newest M(t).", labels=_RUN
    )
    best = GaugeMetricFamily(
        "isheep_run_best_iteration",
        "The t of the best M(t), 0 for M(0); an empty metric says that it is the last model.",
        labels=(*_RUN, "metric"),
    )
    found: dict[tuple[Compared, str], GaugeMetricFamily] = {
        (compared, part): GaugeMetricFamily(
            f"{family.name}{part}", f"{family.text}{text}.", labels=(*_RUN, *family.labels)
        )
        for compared, family in _FAMILIES.items()
        for part, text in _PARTS.items()
    }
    for namespace, name, figures in runs:
        alarms.add_metric((namespace, name), figures.alarms)
        if figures.best is not None:
            best.add_metric((namespace, name, figures.best.metric), figures.best.iteration)
        for one in figures.comparisons:
            labels = (namespace, name, *_labels(one))
            for part, value in _values(one):
                found[one.compared, part].add_metric(labels, value)
    yield alarms
    yield best
    yield from found.values()


def _labels(one: ComparedFigures) -> tuple[str, ...]:
    values = {"benchmark": one.name, "judgement": one.name, "turns": one.turns}
    return tuple(values[label] for label in _FAMILIES[one.compared].labels)


def _values(one: ComparedFigures) -> Iterator[tuple[str, float]]:
    values = {"": one.value, "_lower": one.lower, "_upper": one.upper, "_items": one.items}
    for part, value in values.items():
        if value is not None:
            yield part, value
