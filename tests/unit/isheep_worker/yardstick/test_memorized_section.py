"""The figures of a benchmark without the items that M(0) completes."""

from __future__ import annotations

from isheep_worker.evaluation.memorization import Memorized
from isheep_worker.yardstick.benchmarks import BenchmarkSeries
from isheep_worker.yardstick.memorized_section import memorized_section

VALUES = {f"quiz/{n}": float(n < 2) for n in range(4)}


def series(name: str = "quiz", **changes: object) -> BenchmarkSeries:
    fields = {
        "name": name,
        "role": "Test",
        "metric": "acc",
        "filter": "none",
        "higher_is_better": True,
        "primary": True,
        "prompt_format": "Chat",
        "values": {0: VALUES, 1: dict.fromkeys(VALUES, 1.0)},
        "other_format": "Raw",
        "other_base": dict.fromkeys(VALUES, 0.0),
        **changes,
    }
    return BenchmarkSeries(**fields)  # type: ignore[arg-type]


def test_each_model_has_its_mean_over_the_other_items() -> None:
    memorized = {"quiz": Memorized(4, 7, frozenset({"quiz/1", "quiz/0"}))}
    assert memorized_section([series(), series("other")], memorized) == [
        {
            "name": "quiz",
            "checked": 4,
            "too_short": 7,
            "items": ["quiz/0", "quiz/1"],
            "metrics": [
                {
                    "metric": "acc",
                    "role": "Test",
                    "primary": True,
                    "models": [
                        {"t": 0, "format": "Raw", "items": 2, "mean": 0.0},
                        {"t": 0, "format": "Chat", "items": 2, "mean": 0.0},
                        {"t": 1, "format": "Chat", "items": 2, "mean": 1.0},
                    ],
                }
            ],
        }
    ]


def test_all_values_of_a_memorized_prompt_are_left_out_and_no_item_may_remain() -> None:
    clusters = {item: f"p/{n // 2}" for n, item in enumerate(VALUES)}
    grouped = series(clusters=clusters, other_base=None, values={0: VALUES})
    (one,) = memorized_section([grouped], {"quiz": Memorized(2, 0, frozenset({"p/0"}))})
    assert one["metrics"][0]["models"] == [{"t": 0, "format": "Chat", "items": 2, "mean": 0.0}]
    (every,) = memorized_section([grouped], {"quiz": Memorized(2, 0, frozenset({"p/0", "p/1"}))})
    assert every["metrics"][0]["models"][0] == {
        "t": 0,
        "format": "Chat",
        "items": 0,
        "mean": None,
    }
