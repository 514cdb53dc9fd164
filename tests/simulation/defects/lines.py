"""The lines that each seed executes, so that a defect gets the seeds that reach it.

Most seeds do not execute a given line of the planner or of the operator, and such a seed cannot
find a defect there. So the search traces a pool of seeds once, without any defect. Each defect then
begins with the seeds that execute its line and rare lines of the same function. Of five seeds, four
have a rare theme as long as there are any, because these have events that no other seed has. The
rare themes take turns: many lines are executed by each seed, and only some themes show the defect.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import CodeType, FrameType
from typing import Any

from ..history import History
from ..invariants import violations
from ..memo import Memory, remembered
from ..simulate import simulate
from .differences import fingerprint
from .pool import COMMON_PART, RARE_PART, rare_theme_of
from .replacement import Position

PARTS = ("isheep/planner/", "isheep/kube/")
Lines = Mapping[str, frozenset[int]]
"""Numbers of lines by file."""


@dataclass(frozen=True, slots=True)
class Traced:
    """What a seed does without a defect: the lines that it executes, and its history's digest.

    A seed with `violations` says nothing about a defect. `theme` is the number of its rare theme.
    """

    seed: int
    lines: Lines
    fingerprint: str
    violations: tuple[str, ...] = ()
    theme: int | None = None


def trace_seeds(seeds: Iterable[int], memory: Memory) -> list[Traced]:
    """Run seeds and return what each executes.

    `memory` keeps what the searches use later. So a line of a walk counts for the first seed only.
    """
    return [_traced(seed, memory) for seed in seeds]


def _traced(seed: int, memory: Memory) -> Traced:
    histories: list[History] = []

    def run() -> None:
        histories.append(simulate(seed))

    with remembered(memory):
        lines = executed_lines(run)
        # The searches compare with the undisturbed runs of the source without a defect.
        found = tuple(violations(histories[0]))
    return Traced(seed, lines, fingerprint(histories[0]), found, rare_theme_of(seed))


def executed_lines(run: Callable[[], None]) -> dict[str, frozenset[int]]:
    """Return the lines of the planner and the operator that a function executes, by file."""
    # By identity: a code object computes its hash again each time, from all of its constants.
    left: dict[int, set[int] | None] = {}
    codes: dict[int, CodeType] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        try:
            unseen = left[id(code)]
        except KeyError:
            codes[id(code)] = code
            is_part = any(p in code.co_filename for p in PARTS)
            unseen = left[id(code)] = _lines(code) if is_part else None
        if not unseen:
            # A function without a line that is new runs at its full speed.
            return None
        if event == "line":
            unseen.discard(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    found: dict[str, set[int]] = {}
    for key, unseen in left.items():
        code = codes[key]
        if unseen is not None:
            found.setdefault(code.co_filename, set()).update(_lines(code) - unseen)
    return {name: frozenset(lines) for name, lines in found.items()}


def _lines(code: CodeType) -> set[int]:
    """Return the lines of a function's body that Python can report."""
    return {line for _, _, line in code.co_lines() if line is not None} - {code.co_firstlineno}


def ranked(pool: Sequence[Traced], position: Position, count: int) -> list[int]:
    """Return the seeds of a pool that are most likely to find a defect, the best first."""
    within = {
        one.seed: _within(one.lines.get(position.file, frozenset()), position.function)
        for one in pool
    }
    frequency = Counter(number for lines in within.values() for number in lines)

    def rank(one: Traced) -> tuple[bool, float]:
        # The order of a sum changes its last digits, which must not decide.
        rare = round(sum(1 / frequency[number] for number in within[one.seed]), 9)
        return position.line not in within[one.seed], -rare

    found: list[int] = []
    best = sorted(pool, key=lambda one: (*rank(one), one.seed))
    for reaches in (True, False):
        alike = [one for one in best if reaches == (position.line in within[one.seed])]
        rare = iter(_in_turn([one for one in alike if one.theme is not None]))
        others = iter([one.seed for one in alike if one.theme is None])
        while turn := [*islice(rare, RARE_PART), *islice(others, COMMON_PART)]:
            found += turn
    return found[:count]


def _in_turn(best: Sequence[Traced]) -> list[int]:
    """Return seeds, the best first, so that no theme comes again before each has come once."""
    turns: Counter[int | None] = Counter()
    places = {}
    for one in best:
        places[one.seed] = turns[one.theme]
        turns[one.theme] += 1
    return sorted(places, key=lambda seed: places[seed])


def _within(lines: frozenset[int], function: range) -> set[int]:
    return {number for number in lines if number in function}
