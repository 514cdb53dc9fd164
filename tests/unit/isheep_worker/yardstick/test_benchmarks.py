"""The series of benchmarks: items in common, the better format of M(0), and clusters."""

from dataclasses import replace

import pytest

from isheep_worker.yardstick.benchmarks import BenchmarkSeries, series_of

SERIES = BenchmarkSeries(
    name="ifeval",
    role="Test",
    metric="prompt_level_strict_acc",
    filter="none",
    higher_is_better=True,
    primary=True,
    prompt_format="Chat",
    values={0: {"a": 0.0, "b": 0.0, "c": 1.0}, 1: {"a": 1.0, "b": 0.0}},
    other_format="Raw",
    other_base={"a": 1.0, "b": 1.0, "c": 0.0},
)


def test_models_have_the_items_in_common_and_m0_has_its_better_format():
    found = SERIES.measured_models()

    assert SERIES.items() == ["a", "b"]
    assert SERIES.base_format() == "Raw"
    assert [(one.iteration, one.values.tolist()) for one in found] == [(0, [1, 1]), (1, [1, 0])]


def test_the_better_format_follows_the_direction_of_the_metric():
    lower = replace(SERIES, higher_is_better=False)

    assert lower.base_format() == "Chat"
    assert lower.measured_models()[0].values.tolist() == [0, 0]


def test_equal_formats_of_m0_leave_the_format_of_later_models():
    equal = replace(SERIES, other_base={"a": 0.0, "b": 0.0})

    assert equal.base_format() == "Chat"


def test_without_m0_there_is_nothing_to_compare():
    assert replace(SERIES, values={1: {"a": 1.0}}).measured_models() == []
    assert replace(SERIES, values={0: {"a": 1.0}, 1: {"b": 1.0}}, other_base=None).items() == []


def test_items_of_one_prompt_are_a_cluster():
    clustered = replace(SERIES, clusters={"a": "doc-1", "b": "doc-1"})

    assert clustered.rule().clusters == ["doc-1", "doc-1"]
    assert SERIES.rule().clusters is None


@pytest.mark.parametrize(
    ("metric", "role", "found"),
    [
        ("ifeval", "Test", True),
        ("ifeval/prompt_level_strict_acc", "Test", True),
        ("ifeval/prompt_level_strict_acc,none", "Test", False),
        ("ifeval/other", "Test", False),
        ("ifeval", "Validation", False),
        ("arc", "Test", False),
    ],
)
def test_a_series_is_found_by_benchmark_metric_and_role(metric, role, found):
    assert (series_of([SERIES], metric, role) is SERIES) is found
