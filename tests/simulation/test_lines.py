"""The choice of seeds: those that execute the line of a defect, and rare lines near it."""

from __future__ import annotations

from collections import Counter

from isheep.kube.passes.patch import status_patch

from .defects.lines import Traced, executed_lines, ranked
from .defects.pool import pool_of, rare_theme_of
from .defects.replacement import Position
from .themes import RARE

FILE = "a.py"


def traced(seed: int, *lines: int, theme: int | None = None) -> Traced:
    return Traced(seed, {FILE: frozenset(lines)}, "", theme=theme)


def test_seeds_that_execute_the_line_and_rare_lines_come_first() -> None:
    pool = [traced(0, 1, 2), traced(1, 1, 3), traced(2, 1, 3, 4), traced(3, 1, 3), traced(4, 90, 3)]
    assert ranked(pool, Position(FILE, 3, range(1, 9)), 4) == [2, 1, 3, 4]
    assert ranked(pool, Position("b.py", 3, range(1, 9)), 2) == [0, 1]


def test_four_of_five_seeds_have_a_rare_theme_as_long_as_there_are_any() -> None:
    pool = [*(traced(seed, 1, 3) for seed in range(4)), traced(6, 1, 2, theme=0)]
    pool += [traced(seed, 1, 3, theme=0) for seed in (11, 7, 10, 8, 9)]
    wanted = [7, 8, 9, 10, 0, 11, 1, 2, 3, 6]
    assert ranked(pool, Position(FILE, 3, range(1, 9)), 10) == wanted


def test_rare_themes_take_turns() -> None:
    pool = [traced(seed, 1, 3, theme=0) for seed in range(3)]
    pool += [traced(3, 3, theme=1), traced(4, 3, theme=1), traced(5, 2, theme=2)]
    # The first theme executes rare lines, and the last one does not execute the line at all.
    assert ranked(pool, Position(FILE, 3, range(1, 9)), 6) == [0, 3, 1, 4, 2, 5]


def test_a_pool_has_as_many_seeds_of_each_rare_theme_and_keeps_their_order() -> None:
    size = 5 * len(RARE)
    pool = pool_of(100, size)
    found = Counter(rare_theme_of(seed) for seed in pool)
    assert [found[number] for number in range(len(RARE))] == [4] * len(RARE)
    assert found[None] == len(RARE)
    assert pool == sorted(set(pool))
    assert min(pool) >= 100
    assert [rare_theme_of(seed) for seed in pool_of(100, 2)] == [None, None]


def test_the_lines_of_the_planner_are_traced() -> None:
    found = executed_lines(lambda: status_patch({}, {"a": 1}).clear())
    (lines,) = found.values()
    assert lines
