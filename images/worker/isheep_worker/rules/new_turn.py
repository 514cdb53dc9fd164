"""A response that goes on to write the next turn of a dialogue."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Pair, Rule

_TURN = re.compile(
    r"\n[ \t]*+((?:assistant|system|human|user|question|output)[ \t]*+)[:\n]", re.IGNORECASE
)


def _check(row: Pair) -> str | None:
    match = _TURN.search(row.response)
    return match and match[1]


NEW_TURN: Rule[Pair] = Rule("new_turn", _check, english_only=True)
