"""Runs with different random seeds: which runs are a group, and what is said about them."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from isheep.api.status import (
    BenchmarkRecord,
    GradeRecord,
    IterationRecord,
    JudgementRecord,
    SecondTurnRecord,
    YardstickRecord,
)
from isheep.cli.comparison.seed_groups import SeededRun, seed_groups, seed_lines


def run(title: str, seed: int, difference: float | None, **spec: object) -> SeededRun:
    yardstick = YardstickRecord(items=60, difference=difference)
    record = IterationRecord(iteration=1, yardstick=yardstick)
    return SeededRun(title, {"recipe": "ISheep", **spec, "randomSeed": seed}, {1: record})


def test_three_runs_that_differ_in_their_seed_only_are_a_group() -> None:
    runs = [run("a", 0, -0.1), run("b", 1, -0.2), run("c", 2, -0.3)]
    other = run("d", 3, -9.0, recipe="Alpaca")
    assert seed_groups([*runs, other]) == [tuple(runs)]
    assert list(seed_lines([*runs, other])) == [
        "random seeds: a, b, c differ in their random seed only",
        "M(1): loss on seed tasks over 3 random seeds -0.200 nats a token against M(0) "
        "(95 % interval over seeds -0.448 to +0.048; no significant difference)",
    ]


def test_every_comparison_with_m0_gets_its_mean_over_the_seeds() -> None:
    def measured(title: str, seed: int) -> SeededRun:
        share = seed / 10
        second = SecondTurnRecord(items=80, mean=5.0, difference=-2 - share)
        record = IterationRecord(
            iteration=2,
            benchmark=BenchmarkRecord(name="arc", items=500, difference=share),
            judgement=JudgementRecord(name="open", items=80, rate=0.6 + share),
            grades=GradeRecord(name="mt", items=80, mean=6.0, difference=share, second_turn=second),
        )
        return SeededRun(title, {"randomSeed": seed}, {2: record})

    lines = list(seed_lines([measured("a", 0), measured("b", 1), measured("c", 2)]))
    assert [line.partition(" (")[0] for line in lines[1:]] == [
        "M(2): arc over 3 random seeds +0.100 against M(0)",
        "M(2): win rate on open over 3 random seeds +0.200 from 0.5",
        "M(2): mean grade on mt over 3 random seeds +0.100 against M(0)",
        "M(2): mean grade on the second turns of mt over 3 random seeds -2.100 against M(0)",
    ]


def test_runs_with_another_commit_of_the_model_are_no_group() -> None:
    runs = [run("a", 0, -0.1), run("b", 1, -0.2), run("c", 2, -0.3)]
    runs[2] = replace(runs[2], pinned={"inputs": {"modelRevision": "b"}})
    assert seed_groups(runs) == []


@pytest.mark.parametrize("third", [run("c", 1, -0.3), run("c", 2, -0.3, recipe="Alpaca")])
def test_two_seeds_are_no_group(third: SeededRun) -> None:
    assert not list(seed_lines([run("a", 0, -0.1), run("b", 1, -0.2), third]))


def test_a_run_without_a_measurement_is_left_out() -> None:
    runs = [run("a", 0, -0.1), run("b", 1, -0.2), run("c", 2, None)]
    assert len(list(seed_lines(runs))) == 1


def test_without_scipy_the_remedy_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    lines = list(seed_lines([run(name, n, -0.1 * n) for n, name in enumerate("abc")]))
    assert "pip install 'isheep[cpu]'" in lines[1]
