"""A list number at the start of a line of the instruction: several tasks run together."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Rule, Task

_NUMBER = re.compile(r"^[ \t]*+(\d{1,4}+[.)])[ \t]", re.MULTILINE | re.ASCII)


def _check(row: Task) -> str | None:
    match = _NUMBER.search(row.instruction)
    return match and match[1]


NUMBERING: Rule[Task] = Rule(
    "numbering",
    _check,
    drops="A line of the instruction begins with a list number, so several tasks run together.",
    example=Example("Name a small bird.\n8. Name a tree."),
)
