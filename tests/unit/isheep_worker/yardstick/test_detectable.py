"""The smallest difference that a benchmark can show, with its assumptions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isheep_worker.yardstick.benchmark_section import benchmark_section
from isheep_worker.yardstick.benchmarks import BenchmarkSeries
from isheep_worker.yardstick.detectable import detectable


def values(count: int, value: float = 1.0) -> dict[str, float]:
    return {f"q{number}": value for number in range(count)}


def series(count: int, value: float = 1.0) -> BenchmarkSeries:
    return BenchmarkSeries(
        name="quiz",
        role="Test",
        metric="acc",
        filter="none",
        higher_is_better=True,
        primary=True,
        prompt_format="Raw",
        values={0: values(count, 0.0), 1: values(count, value)},
    )


def test_a_share_has_the_figure_of_the_formula_with_its_assumptions() -> None:
    found = detectable(series(200))
    assert found == {
        "items": 200,
        "discordance": 0.2,
        "power": 0.8,
        "difference": pytest.approx(0.08807, abs=1e-5),
    }
    (section,) = benchmark_section([series(200)], best=1, seed=0)
    assert section["detectable"] == found
    (other,) = benchmark_section([replace(series(200), primary=False)], best=1, seed=0)
    assert other["detectable"] is None


def test_thirty_items_cannot_detect_a_difference_of_the_discordance() -> None:
    found = detectable(series(30))
    assert found is not None
    assert found["difference"] is None


@pytest.mark.parametrize(
    "other",
    [
        series(29),
        series(200, value=0.5),
        replace(series(200), clusters={"q0": "p", "q1": "p"}),
        replace(series(200), values={}),
    ],
)
def test_other_values_have_no_such_figure(other: BenchmarkSeries) -> None:
    assert detectable(other) is None
