"""Words of tasks that a language model cannot do: those with pictures, sound, files and drawing."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Rule, Task

_WORDS = re.compile(
    r"\b(?:images?|graphs?|pictures?|files?|maps?|draw|plot|go to|video|audio|music"
    r"|flowchart|diagram)\b",
    re.IGNORECASE,
)


def _check(row: Task) -> str | None:
    match = _WORDS.search(row.instruction) or _WORDS.search(row.input)
    return match and match[0]


BLACKLIST: Rule[Task] = Rule("blacklist", _check, english_only=True)
