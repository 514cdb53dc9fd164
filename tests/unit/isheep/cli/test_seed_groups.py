"""Runs with different random seeds: which runs are a group, and what is said about them."""

from __future__ import annotations

import sys

import pytest

from isheep.api.status import IterationRecord, YardstickRecord
from isheep.cli.seed_groups import SeededRun, seed_groups, seed_lines


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
