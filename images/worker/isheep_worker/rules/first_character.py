"""An instruction begins with an ASCII character that is no punctuation.

English only: Spanish begins questions with a mark, and most scripts are not ASCII.
"""

from __future__ import annotations

import string

from isheep_worker.rules.interface import Rule, Task


def _check(row: Task) -> str | None:
    first = row.instruction[:1]
    return first if first in string.punctuation or not first.isascii() else None


FIRST_CHARACTER: Rule[Task] = Rule("first_character", _check, english_only=True)
