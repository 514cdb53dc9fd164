"""Characters that no text should hold: nulls, escapes, and U+FFFD, the sign of a broken one.

Ours, not the paper's: terminal escapes and nulls in a row harm whoever reads the
data, and U+FFFD stands where a model stopped inside a character. Direction
overrides (U+202A…U+202E, U+2066…U+2069) show a reader something other than what
is there; right-to-left scripts need none of them.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Pair, Rule, Task

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffd]"
)


def _find(*texts: str) -> str | None:
    for text in texts:
        if match := _CONTROL.search(text):
            return f"U+{ord(match[0]):04X}"
    return None


CONTROL_CHARACTERS: Rule[Task] = Rule(
    "control_characters", lambda row: _find(row.instruction, row.input)
)
RESPONSE_CONTROL_CHARACTERS: Rule[Pair] = Rule(
    "control_characters", lambda row: _find(row.response)
)
TOPIC_CONTROL_CHARACTERS: Rule[str] = Rule("control_characters", _find)
