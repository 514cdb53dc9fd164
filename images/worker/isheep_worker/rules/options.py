"""A response that offers options or selects one: `Answer Choices:`, `(B)`, `C.`."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule

_OPTIONS = re.compile(
    r"\banswer choices:"
    r"|\([a-e]\)"
    r"|(?<![\w.])[a-e]\.(?!\S)",  # a single letter; `e.g.` and `i.e.` do not match
    re.IGNORECASE,
)


def _check(row: Pair) -> str | None:
    match = _OPTIONS.search(row.response)
    return match and match[0]


OPTIONS: Rule[Pair] = Rule(
    "options",
    _check,
    drops="The response offers options or selects one, such as `(B)` or `C.`.",
    example=Example(response="The answer is (B)."),
    english_only=True,
)
