"""Rows of score stages become series: roles, formats, clusters and the primary metric."""

from __future__ import annotations

from isheep.recipes.evaluation_settings import ComparedBenchmark, ScoredModel
from isheep_worker.rows.schema import MetricRow
from isheep_worker.yardstick.benchmark_rows import benchmark_series

LOW, HIGH = "1" * 64, "f" * 64


def row(item: str, value: float, metric: str = "acc", **fields: object) -> MetricRow:
    given = {"filter": "none", "item_hash": LOW, "higher_is_better": True, **fields}
    return MetricRow(task="quiz", metric=metric, item=item, value=value, **given)  # type: ignore[arg-type]


def benchmark(**fields: object) -> ComparedBenchmark:
    given = {"name": "quiz", "digest": "d", "role": "Test", "later_format": "Chat", **fields}
    return ComparedBenchmark.model_validate(given, by_name=True)


def scored(t: int, prompt_format: str, *rows: MetricRow) -> tuple[ScoredModel, list[MetricRow]]:
    fields = {"benchmark": "quiz", "t": t, "prompt_format": prompt_format}
    return ScoredModel.model_validate(fields, by_name=True), list(rows)


def test_the_first_metric_is_primary_and_the_other_format_of_m0_is_apart() -> None:
    found = benchmark_series(
        [benchmark(), benchmark(name="other")],
        [
            scored(0, "Chat", row("a", 1), row("a", -3, "loss", higher_is_better=False)),
            scored(0, "Raw", row("a", 0)),
            scored(1, "Chat", row("a", 0)),
        ],
    )
    accuracy, loss = found
    assert (accuracy.metric, accuracy.primary, accuracy.role) == ("acc", True, "Test")
    assert accuracy.values == {0: {"a": 1}, 1: {"a": 0}}
    assert (accuracy.other_format, accuracy.other_base) == ("Raw", {"a": 0})
    assert (loss.metric, loss.primary, loss.higher_is_better) == ("loss", False, False)


def test_a_share_divides_the_items_by_their_hash() -> None:
    rows = [row("a", 1, item_hash=LOW), row("b", 0, item_hash=HIGH)]
    validation, test = benchmark_series(
        [benchmark(validation=0.3)], [scored(0, "Chat", *rows), scored(2, "Chat", *rows)]
    )
    assert (validation.role, validation.items()) == ("Validation", ["a"])
    assert (test.role, test.items()) == ("Test", ["b"])
    assert validation.primary
    assert test.primary


def test_filters_are_series_of_their_own_and_clusters_are_kept() -> None:
    rows = [
        row("a/0", 1, filter="strict", cluster="a"),
        row("a/1", 0, filter="strict", cluster="a"),
        row("a/0", 1, filter="loose", cluster="a"),
    ]
    strict, loose = benchmark_series([benchmark()], [scored(0, "Chat", *rows)])
    assert [strict.label, loose.label] == ["acc,strict", "acc,loose"]
    assert strict.clusters == {"a/0": "a", "a/1": "a"}
    assert not loose.primary
