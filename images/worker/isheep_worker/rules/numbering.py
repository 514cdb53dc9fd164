"""A list number at the start of a line of the instruction: several tasks run together.

A task that runs together with the next one contains the number of that next task, such as 8. A list
in a good task has numbers from 1 (or 0) on without a gap, and at least two of them. The rule spares
such a list. If the first item begins a line, the second one can be on the same line.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Rule, Task

_NUMBER = re.compile(r"^[ \t]*+((\d{1,4}+)[.)])[ \t]", re.MULTILINE | re.ASCII)
_INLINE = re.compile(r"(?<=\s)(\d{1,4}+)[.)][ \t]", re.ASCII)
_FIRST = (0, 1)


def _check(row: Task) -> str | None:
    found = [(int(match[2]), match[1]) for match in _NUMBER.finditer(row.instruction)]
    if len(found) == 1:
        number, text = found[0]
        following = (int(match[1]) for match in _INLINE.finditer(row.instruction))
        return None if number in _FIRST and number + 1 in following else text
    return _outside_a_list(found)


def _outside_a_list(found: list[tuple[int, str]]) -> str | None:
    """Return the first number that belongs to no list of two or more items, or None."""
    numbers = [number for number, _ in found]
    for before, (number, text), after in zip(
        [None, *numbers], found, [*numbers[1:], None], strict=False
    ):
        follows = before is not None and number == before + 1
        begins = number in _FIRST and after == number + 1
        if not (follows or begins):
            return text
    return None


NUMBERING: Rule[Task] = Rule(
    "numbering",
    _check,
    drops="A line of the instruction begins with a list number that belongs to no list from 1 on, "
    "so several tasks run together.",
    example=Example("Name a small bird.\n8. Name a tree."),
)
