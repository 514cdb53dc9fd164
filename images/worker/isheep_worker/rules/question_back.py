"""A response that contains a question to the user: "can you", "do you", or a separate question."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule

_QUESTION = re.compile(
    r"\ncan you\b"
    r"|\bdo you\b[^.?!\n]{1,200}\?"
    r"|\n[ \t]*+\n[^\n]{0,99}\?",
    re.IGNORECASE,
)


def _check(row: Pair) -> str | None:
    match = _QUESTION.search(row.response)
    return match and match[0].strip()


QUESTION_BACK: Rule[Pair] = Rule(
    "question-back",
    _check,
    drops="The response asks the user a question.",
    example=Example(response="Which bird do you like?"),
    english_only=True,
)
