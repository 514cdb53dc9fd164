"""No text compares two models without the number of items and an interval."""

from __future__ import annotations

import pytest

from isheep.api.status import BenchmarkRecord
from isheep.cli.figures.benchmark_text import benchmark_text


@pytest.mark.parametrize(
    ("lower", "upper", "end"),
    [
        (0.01, 0.09, " (95 % interval +0.010 to +0.090)"),
        (-0.01, 0.11, " (95 % interval -0.010 to +0.110; no significant difference)"),
        (None, None, "; too few items (541) for an interval"),
    ],
)
def test_the_text_has_items_and_interval(
    lower: float | None, upper: float | None, end: str
) -> None:
    found = BenchmarkRecord(name="ifeval", items=541, difference=0.05, lower=lower, upper=upper)
    assert benchmark_text(2, found) == f"M(2): +0.050 against M(0) on 541 items of ifeval{end}"
