"""The values of single items: numbers, lists of truths, and metrics without such values."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.isheep_worker.evaluation.conftest import files_of

from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.metrics import ItemValue, item_values, metrics_of
from isheep_worker.evaluation.results import ItemScore
from isheep_worker.evaluation.settings import BenchmarkSettings


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1.0, [ItemValue("quiz/7", 1.0)]),
        (True, [ItemValue("quiz/7", 1.0)]),
        ([True, False], [ItemValue("quiz/7/0", 1, "quiz/7"), ItemValue("quiz/7/1", 0, "quiz/7")]),
        ([-12.5, 4], []),
        (float("nan"), []),
        ("text", []),
    ],
)
def test_a_metric_has_values_of_items_or_none(value: Any, found: list[ItemValue]) -> None:
    score = ItemScore("quiz", 7, "0" * 64, "none", {"acc": value})
    assert list(item_values(score, "acc")) == found


def test_the_metrics_of_a_task_are_in_its_order_with_their_directions() -> None:
    found = metrics_of(load_benchmark(BenchmarkSettings("arc_easy"), files_of("arc_easy")))
    assert found == {"acc": True, "acc_norm": True}
    found = metrics_of(load_benchmark(BenchmarkSettings("wikitext"), files_of("wikitext")))
    assert found["word_perplexity"] is False
