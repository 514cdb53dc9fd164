"""A benchmark of a verdict as lines: never a difference without its items and its interval."""

from __future__ import annotations

from typing import Any

from isheep.cli.figures.benchmark_lines import benchmark_lines

CHANGE = {"items": 64, "difference": -0.25, "lower": -0.375, "upper": -0.125}
MODELS: list[dict[str, Any]] = [
    {"t": 0, "format": "Raw", "items": 64, "mean": 0.75, "from_base": None},
    {"t": 1, "format": "Chat", "items": 64, "mean": 0.5, "from_base": CHANGE},
]


def series(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "role": "Test",
        "metric": "acc",
        "primary": True,
        "higher_is_better": True,
        "base_format": "Raw",
        "models": MODELS,
        **fields,
    }


def test_each_model_has_its_items_and_its_interval() -> None:
    assert benchmark_lines([series("other"), series("quiz")], "quiz") == [
        "quiz, acc (higher is better, role Test):",
        "  M(0) Raw: 0.750, 64 items",
        "  M(1) Chat: 0.500, 64 items; -0.250 against M(0) Raw (95 % interval -0.375 to -0.125)",
    ]


def test_too_few_items_have_no_interval_and_other_metrics_are_exploratory() -> None:
    few = {**CHANGE, "items": 9, "lower": None, "upper": None}
    models = [{**MODELS[1], "items": 9, "from_base": few}]
    other = series("quiz", metric="loss", primary=False, higher_is_better=False, models=models)
    assert benchmark_lines([other], "quiz") == [
        "quiz, loss (lower is better, role Test, exploratory):",
        "  M(1) Chat: 0.500, 9 items; -0.250 against M(0) Raw; too few items (9) for an interval",
    ]
