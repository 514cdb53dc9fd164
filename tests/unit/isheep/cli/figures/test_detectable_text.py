"""`isheep plan` says what the items of a limited benchmark can show."""

from __future__ import annotations

import json

import pytest

from isheep.api.evaluation import EvaluatedBenchmark
from isheep.cli.figures.detectable_text import detectable, detectable_lines


def benchmark(**fields: int) -> EvaluatedBenchmark:
    return EvaluatedBenchmark(name="quiz", task="arc_easy", **fields)


@pytest.mark.parametrize(
    ("limit", "shown"),
    [(200, "a difference of 0.088"), (30, "no difference"), (8, "no difference")],
)
def test_the_smallest_difference_with_its_assumption(limit: int, shown: str) -> None:
    assert detectable_lines(detectable([benchmark(limit=limit)])) == [
        f"quiz: with {limit} items, {shown} between two shares is found with 80% probability, if "
        "the models disagree about 20% of the items (assumed)"
    ]


def test_without_a_limit_the_number_of_items_is_unknown() -> None:
    assert detectable([benchmark()]) == []


def test_the_plan_contains_it(shell) -> None:
    shell.spec["evaluation"] = {"benchmarks": [{"name": "quiz", "task": "arc_easy", "limit": 200}]}
    shell.write()
    lines = shell("plan", "run.yaml").stdout.splitlines()
    assert lines[-1].startswith("quiz: with 200 items, a difference of 0.088 between two shares")
    (found,) = json.loads(shell("plan", "run.yaml", "-o", "json").stdout)["detectable"]
    assert (found["items"], found["discordance"], found["power"]) == (200, 0.2, 0.8)
    assert found["difference"] == pytest.approx(0.08807, abs=1e-5)
