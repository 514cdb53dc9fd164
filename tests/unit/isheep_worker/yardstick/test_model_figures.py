"""The figures of one model: means, intervals by kind of value, and too few items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from isheep_worker.rows.schema import MetricRow
from isheep_worker.statistics.share_interval import share_interval
from isheep_worker.yardstick.model_figures import model_figures


def rows(
    values: Sequence[float],
    metric: str = "acc",
    clusters: Sequence[str] | None = None,
    name: str = "none",
) -> list[MetricRow]:
    return [
        MetricRow(
            task="quiz",
            metric=metric,
            filter=name,
            item=f"quiz/{n}",
            item_hash="00",
            value=value,
            higher_is_better=metric != "loss",
            cluster=None if clusters is None else clusters[n],
        )
        for n, value in enumerate(values)
    ]


def test_a_share_of_independent_items_has_wilsons_interval() -> None:
    (found,) = model_figures(rows([1.0] * 16 + [0.0] * 48))
    assert (found.metric, found.items, found.clusters, found.mean) == ("acc", 64, 64, 0.25)
    assert found.interval == share_interval(16, 64)
    (all_right,) = model_figures(rows([1.0] * 64))
    assert all_right.interval is not None
    assert all_right.interval.low < 0.96
    assert all_right.interval.high == 1


def test_other_values_have_the_interval_of_a_bootstrap() -> None:
    values = np.random.default_rng(1).normal(2.0, 1.0, 400).tolist()
    (found,) = model_figures(rows(values, "loss"))
    assert not found.higher_is_better
    assert found.interval is not None
    half = 1.96 * np.std(values, ddof=1) / 20
    assert found.interval.low == pytest.approx(np.mean(values) - half, abs=0.02)
    assert found.interval.high == pytest.approx(np.mean(values) + half, abs=0.02)
    assert model_figures(rows(values, "loss")) == [found]


def test_items_of_one_prompt_widen_the_interval() -> None:
    values = [float(n % 2) for n in range(60) for _ in range(4)]
    (apart,) = model_figures(rows(values))
    (together,) = model_figures(rows(values, clusters=[f"p{n // 4}" for n in range(240)]))
    assert (together.items, together.clusters, together.mean) == (240, 60, 0.5)
    assert together.interval is not None
    assert apart.interval is not None
    assert together.interval.low < apart.interval.low
    same = [f"p{n // 4}" for n in range(240)]
    (right,) = model_figures(rows([1.0] * 240, clusters=same))
    assert right.interval == share_interval(60, 60)


def test_few_clusters_have_no_interval() -> None:
    (found,) = model_figures(rows([1.0, 0.0] * 14))
    assert found.interval is None
    (few,) = model_figures(rows([1.0, 0.0] * 60, clusters=[f"p{n % 8}" for n in range(120)]))
    assert (few.items, few.clusters, few.interval) == (120, 8, None)


def test_the_first_metric_is_primary_and_filters_are_told_apart() -> None:
    found = model_figures(
        [
            *rows([1.0, 0.0], "exact_match", name="strict-match"),
            *rows([1.0, 1.0], "exact_match", name="flexible-extract"),
            *rows([0.5], "f1"),
        ]
    )
    assert [(one.metric, one.primary) for one in found] == [
        ("exact_match,strict-match", True),
        ("exact_match,flexible-extract", False),
        ("f1", False),
    ]
    assert model_figures([]) == []
