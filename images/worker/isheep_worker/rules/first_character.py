"""An instruction begins with an ASCII character that is not punctuation.

The rule applies to English only: Spanish questions begin with punctuation, and most scripts are not
ASCII.
"""

from __future__ import annotations

import string

from isheep_worker.rules.interface import Example, Rule, Task


def _check(row: Task) -> str | None:
    first = row.instruction[:1]
    return first if first in string.punctuation or not first.isascii() else None


FIRST_CHARACTER: Rule[Task] = Rule(
    "first-character",
    _check,
    drops="The first character of the instruction is punctuation or is not ASCII.",
    example=Example("- Name a small bird."),
    english_only=True,
)
