"""A list number at the start of an instruction's line: several tasks that ran into one."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Rule, Task

_NUMBER = re.compile(r"^[ \t]*+(\d{1,4}+[.)])[ \t]", re.MULTILINE | re.ASCII)


def _check(row: Task) -> str | None:
    match = _NUMBER.search(row.instruction)
    return match and match[1]


NUMBERING: Rule[Task] = Rule("numbering", _check)
