"""The choice of seeds: those that execute the line of a defect, and rare lines near it."""

from __future__ import annotations

from isheep.kube.passes.patch import status_patch

from .defects.lines import Traced, executed_lines, ranked
from .defects.replacement import Position

FILE = "a.py"


def traced(seed: int, *lines: int, rare: bool = False) -> Traced:
    return Traced(seed, {FILE: frozenset(lines)}, "", rare=rare)


def test_seeds_that_execute_the_line_and_rare_lines_come_first() -> None:
    pool = [traced(0, 1, 2), traced(1, 1, 3), traced(2, 1, 3, 4), traced(3, 1, 3), traced(4, 90, 3)]
    assert ranked(pool, Position(FILE, 3, range(1, 9)), 4) == [2, 1, 3, 4]
    assert ranked(pool, Position("b.py", 3, range(1, 9)), 2) == [0, 1]


def test_two_of_three_seeds_have_a_rare_theme_as_long_as_there_are_any() -> None:
    pool = [*(traced(seed, 1, 3) for seed in range(4)), traced(8, 1, 3, rare=True)]
    pool += [traced(9, 1, 3, rare=True), traced(7, 1, 3, rare=True), traced(6, 1, 2, rare=True)]
    assert ranked(pool, Position(FILE, 3, range(1, 9)), 8) == [7, 8, 0, 9, 1, 2, 3, 6]


def test_the_lines_of_the_planner_are_traced() -> None:
    found = executed_lines(lambda: status_patch({}, {"a": 1}).clear())
    (lines,) = found.values()
    assert lines
