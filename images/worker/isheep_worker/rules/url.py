"""A link: the task asks for something that the model cannot see."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Rule, Task
from isheep_worker.text.comparison import comparable

_URL = re.compile(r"https?:|\bwww\.", re.IGNORECASE)


def _check(row: Task) -> str | None:
    match = _URL.search(comparable(row.instruction)) or _URL.search(comparable(row.input))
    return match and match[0]


URL: Rule[Task] = Rule(
    "url",
    _check,
    drops="The instruction or the input contains a link, and the model cannot read the page.",
    example=Example("Summarize the page https://example.org for me."),
)
