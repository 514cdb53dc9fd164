"""The section on benchmarks: M(t) against the better format of M(0), Holm, and overlaps."""

from __future__ import annotations

from dataclasses import replace

from isheep_worker.collapse.row_set import CollapseRow
from isheep_worker.yardstick.benchmark_section import benchmark_section, overlaps
from isheep_worker.yardstick.benchmarks import BenchmarkSeries
from isheep_worker.yardstick.source import DataSet

COUNT = 60


def values(right: int) -> dict[str, float]:
    return {f"q{number:02}": float(number < right) for number in range(COUNT)}


SERIES = BenchmarkSeries(
    name="quiz",
    role="Test",
    metric="acc",
    filter="none",
    higher_is_better=True,
    primary=True,
    prompt_format="Chat",
    values={0: values(10), 1: values(22), 2: values(40)},
    other_format="Raw",
    other_base=values(25),
)


def test_a_model_that_only_learned_the_format_is_not_better() -> None:
    (found,) = benchmark_section([SERIES], best=1, seed=0)
    shown = [(one["t"], one["format"], one["mean"]) for one in found["models"]]
    assert shown == [
        (0, "Raw", 25 / COUNT),
        (0, "Chat", 10 / COUNT),
        (1, "Chat", 22 / COUNT),
        (2, "Chat", 40 / COUNT),
    ]
    first, second = (one["from_base"] for one in found["models"][2:])
    assert (first["difference"], first["change"]) == (-3 / COUNT, "NotSignificant")
    assert second["change"] == "Higher"
    assert second["lower"] > 0
    assert found["base_format"] == "Raw"
    assert found["best"]["conclusion"] == "no significant difference"


def test_the_best_model_is_judged_on_all_primary_metrics_together() -> None:
    near = replace(SERIES, name="near", values={0: values(20), 2: values(26)}, other_base=None)
    alone = benchmark_section([near], best=2, seed=0)[0]["best"]
    assert alone["conclusion"] == "better"
    many = [replace(near, name=f"near-{number}") for number in range(9)]
    together = benchmark_section([SERIES, *many], best=2, seed=0)
    assert together[0]["best"]["conclusion"] == "better"
    assert together[1]["best"]["conclusion"] == "no significant difference"
    assert together[1]["best"]["corrected_p"] > alone["corrected_p"]


def test_other_metrics_and_items_that_chose_the_model_get_no_conclusion() -> None:
    found = benchmark_section(
        [replace(SERIES, role="Validation"), SERIES, replace(SERIES, primary=False)], 2, 0
    )
    assert [one["best"] is not None for one in found] == [False, True, False]
    (only,) = benchmark_section([replace(SERIES, role="Validation")], 2, 0)
    assert only["best"] is not None
    assert benchmark_section([SERIES], best=0, seed=0)[0]["best"] is None


def test_a_lower_value_is_better_if_the_metric_says_so() -> None:
    lower = replace(SERIES, higher_is_better=False, other_base=None)
    (found,) = benchmark_section([lower], best=2, seed=0)
    assert found["best"]["conclusion"] == "worse"


def test_too_few_items_have_no_interval_and_no_verdict() -> None:
    few = replace(SERIES, other_base=None, values={0: {"a": 0.0}, 1: {"a": 1.0}})
    (found,) = benchmark_section([few], best=1, seed=0)
    change = found["models"][1]["from_base"]
    assert (change["lower"], change["verdict"]) == (None, "too few items (1)")
    assert found["best"]["conclusion"] == "too few items (1)"


def test_a_benchmark_without_m0_has_no_models() -> None:
    (found,) = benchmark_section([replace(SERIES, values={1: values(3)})], best=1, seed=0)
    assert (found["models"], found["best"]) == ([], None)


def test_pairs_that_repeat_an_item_are_counted() -> None:
    question = "which of these four planets is the nearest one to the sun in space"
    rows = [
        CollapseRow("1", question, "Mercury.", "stop"),
        CollapseRow("2", "Sing a song.", f"I know this: {question}", "stop"),
        CollapseRow("3", question, "Venus.", "stop", kept=False),
    ]
    found = overlaps({"quiz": [question]}, {1: DataSet(lambda: rows, "Chat")}, ngram=13)
    assert found == [
        {
            "name": "quiz",
            "ngram": 13,
            "iterations": [{"t": 1, "pairs": 2, "instructions": 1, "responses": 1}],
        }
    ]
