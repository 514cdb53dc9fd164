"""A response that continues with the next turn of a dialogue."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule

_TURN = re.compile(
    r"\n[ \t]*+((?:assistant|system|human|user|question|output)[ \t]*+)[:\n]", re.IGNORECASE
)


def _check(row: Pair) -> str | None:
    match = _TURN.search(row.response)
    return match and match[1]


NEW_TURN: Rule[Pair] = Rule(
    "new-turn",
    _check,
    drops="The response continues with the label of another speaker, such as `User:`.",
    example=Example(response="A wren.\nUser: And a tree?"),
    english_only=True,
)
