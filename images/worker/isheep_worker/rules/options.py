"""A response that offers answers to choose from, or marks one: `Answer Choices:`, `(B)`, `C.`."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Pair, Rule

_OPTIONS = re.compile(
    r"\banswer choices:"
    r"|\([a-e]\)"
    r"|(?<![\w.])[a-e]\.(?!\S)",  # a letter of its own, so neither `e.g.` nor `i.e.`
    re.IGNORECASE,
)


def _check(row: Pair) -> str | None:
    match = _OPTIONS.search(row.response)
    return match and match[0]


OPTIONS: Rule[Pair] = Rule("options", _check, english_only=True)
