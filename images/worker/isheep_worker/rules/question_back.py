"""A response that asks instead of answering: "can you", "do you", or a question of its own."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Pair, Rule

_QUESTION = re.compile(
    r"\ncan you\b"
    r"|\bdo you\b[^.?!\n]{1,200}\?"
    r"|\n[ \t]*+\n[^\n]{0,99}\?",
    re.IGNORECASE,
)


def _check(row: Pair) -> str | None:
    match = _QUESTION.search(row.response)
    return match and match[0].strip()


QUESTION_BACK: Rule[Pair] = Rule("question_back", _check, english_only=True)
