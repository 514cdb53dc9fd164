"""Words of tasks that a language model cannot perform: pictures, sound, files and drawing."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Rule, Task
from isheep_worker.text.comparison import comparable

_WORDS = re.compile(
    r"\b(?:images?|graphs?|pictures?|files?|maps?|draw|plot|go to|video|audio|music"
    r"|flowchart|diagram)\b",
    re.IGNORECASE,
)


def _check(row: Task) -> str | None:
    match = _WORDS.search(comparable(row.instruction)) or _WORDS.search(comparable(row.input))
    return match and match[0]


BLACKLIST: Rule[Task] = Rule(
    "blacklist",
    _check,
    drops="The instruction or the input contains a word for a picture, a sound, a file or a "
    "drawing, so a language model cannot perform the task.",
    example=Example("Draw a house with a garden."),
    english_only=True,
)
