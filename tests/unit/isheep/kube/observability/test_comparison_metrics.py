"""The metrics of comparisons: each value with its interval and its items."""

from __future__ import annotations

from typing import get_args

import pytest

from isheep.kube.observability.comparison_metrics import comparison_families
from isheep.kube.observability.run_figures import BestFigures, Compared, ComparedFigures, RunFigures

RUN = {"run_namespace": "team", "run": "run"}
NAMES = {
    "Loss": "isheep_run_loss_difference",
    "Benchmark": "isheep_run_benchmark_difference",
    "BestBenchmark": "isheep_run_best_benchmark_difference",
    "WinRate": "isheep_run_win_rate",
    "Grade": "isheep_run_grade_difference",
}
LABELS = {
    "Loss": {},
    "Benchmark": {"benchmark": "one"},
    "BestBenchmark": {"benchmark": "one"},
    "WinRate": {"judgement": "one"},
    "Grade": {"judgement": "one", "turns": "all"},
}
Samples = dict[str, list[tuple[dict[str, str], float]]]


def samples(figures: RunFigures) -> Samples:
    """Return the labels and values of the samples of a run, by metric."""
    found: Samples = {}
    for family in comparison_families([("team", "run", figures)]):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


@pytest.mark.parametrize("compared", get_args(Compared))
def test_a_comparison_has_its_interval_and_its_items(compared: Compared) -> None:
    turns = "all" if compared == "Grade" else ""
    one = ComparedFigures(compared, 0.5, 0.25, 0.75, 100, name="one", turns=turns)
    found = samples(RunFigures(0, (one,)))
    name, labels = NAMES[compared], {**RUN, **LABELS[compared]}
    assert found == {
        "isheep_run_alarms": [(RUN, 0)],
        name: [(labels, 0.5)],
        f"{name}_lower": [(labels, 0.25)],
        f"{name}_upper": [(labels, 0.75)],
        f"{name}_items": [(labels, 100)],
    }


def test_too_few_items_have_no_ends_of_an_interval() -> None:
    one = ComparedFigures("Benchmark", 0.5, items=8, name="one")
    found = samples(RunFigures(0, (one,)))
    assert "isheep_run_benchmark_difference_lower" not in found
    assert "isheep_run_benchmark_difference_upper" not in found
    assert found["isheep_run_benchmark_difference_items"] == [({**RUN, "benchmark": "one"}, 8)]


def test_the_best_model_is_shown_with_the_metric_that_chose_it() -> None:
    best = samples(RunFigures(2, best=BestFigures(3, "arc")))
    assert best == {
        "isheep_run_alarms": [(RUN, 2)],
        "isheep_run_best_iteration": [({**RUN, "metric": "arc"}, 3)],
    }
    last = samples(RunFigures(0, best=BestFigures(0)))
    assert last["isheep_run_best_iteration"] == [({**RUN, "metric": ""}, 0)]


def test_the_number_of_series_of_a_run_is_bounded() -> None:
    comparisons = [
        ComparedFigures(compared, 0.5, 0.25, 0.75, 100, name="one", turns="all")
        for compared in get_args(Compared)
    ]
    second = ComparedFigures("Grade", 0.5, 0.25, 0.75, 100, name="one", turns="second")
    whole = RunFigures(1, (*comparisons, second), BestFigures(1))
    assert sum(map(len, samples(whole).values())) == 26
