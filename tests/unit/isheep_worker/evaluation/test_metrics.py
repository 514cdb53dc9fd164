"""The values of single items: numbers, lists of truths, and metrics without such values."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.isheep_worker.evaluation.conftest import files_of

from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.metrics import ItemValue, item_values, metric_names, metrics_of
from isheep_worker.evaluation.results import ItemScore
from isheep_worker.evaluation.settings import BenchmarkSettings


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1.0, [ItemValue("arc_easy/7", 1.0)]),
        (True, [ItemValue("arc_easy/7", 1.0)]),
        (
            [True, False],
            [
                ItemValue("arc_easy/7/0", 1, "arc_easy/7"),
                ItemValue("arc_easy/7/1", 0, "arc_easy/7"),
            ],
        ),
        ([-12.5, 4], []),
        (float("nan"), []),
        ("text", []),
    ],
)
def test_a_metric_has_values_of_items_or_none(value: Any, found: list[ItemValue]) -> None:
    benchmark = load_benchmark(BenchmarkSettings("arc_easy"), files_of("arc_easy"))
    score = ItemScore("arc_easy", 7, "0" * 64, "none", {"acc": value, "own": value})
    assert list(item_values(benchmark, score, "acc")) == found
    # lm-eval takes the mean of a metric that the task does not name.
    assert list(item_values(benchmark, score, "own")) == found


def test_the_metrics_of_a_task_are_in_its_order_with_their_directions() -> None:
    found = metrics_of(load_benchmark(BenchmarkSettings("arc_easy"), files_of("arc_easy")))
    assert found == {"acc": True, "acc_norm": True}


def test_a_setting_names_a_metric_alone_or_with_a_filter() -> None:
    sums = load_benchmark(BenchmarkSettings("gsm8k", num_fewshot=1), files_of("gsm8k"))
    assert metric_names(sums) == [
        "exact_match",
        "exact_match,strict-match",
        "exact_match,flexible-extract",
    ]
    quiz = load_benchmark(BenchmarkSettings("arc_easy"), files_of("arc_easy"))
    assert metric_names(quiz) == ["acc", "acc_norm"]


def test_a_perplexity_has_no_values_of_items() -> None:
    """lm-eval returns the log-probability of each item, which is better if it is higher."""
    benchmark = load_benchmark(BenchmarkSettings("lambada_openai"), files_of("lambada_openai"))
    assert metrics_of(benchmark) == {"acc": True}
    score = ItemScore("lambada_openai", 0, "0" * 64, "none", {"perplexity": -1.5, "acc": 1})
    assert list(item_values(benchmark, score, "perplexity")) == []
    assert list(item_values(benchmark, score, "acc")) == [ItemValue("lambada_openai/0", 1.0)]
    assert metrics_of(load_benchmark(BenchmarkSettings("wikitext"), files_of("wikitext"))) == {}


def test_a_function_of_the_task_has_values_of_items() -> None:
    found = metrics_of(load_benchmark(BenchmarkSettings("ifeval"), files_of("ifeval")))
    assert next(iter(found)) == "prompt_level_strict_acc"
    assert "inst_level_loose_acc" in found
