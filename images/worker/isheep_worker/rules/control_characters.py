"""Characters that no text should contain: nulls, escapes, and U+FFFD, the replacement character.

The rule is ours, not the paper's. Terminal escapes and nulls in a row harm the reader of the data,
and U+FFFD shows that a model stopped inside a character. Direction overrides (U+202A…U+202E,
U+2066…U+2069) make a text look different from its content; right-to-left scripts need none of
them.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule, Task

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffd]"
)
_NAME = "control-characters"
_CHARACTERS = "a control character, a direction override or the replacement character U+FFFD."


def _find(*texts: str) -> str | None:
    for text in texts:
        if match := _CONTROL.search(text):
            return f"U+{ord(match[0]):04X}"
    return None


CONTROL_CHARACTERS: Rule[Task] = Rule(
    _NAME,
    lambda row: _find(row.instruction, row.input),
    drops=f"The instruction or the input contains {_CHARACTERS}",
    example=Example("Name a \x1b[31mred\x1b[0m bird."),
)
RESPONSE_CONTROL_CHARACTERS: Rule[Pair] = Rule(
    _NAME,
    lambda row: _find(row.response),
    drops=f"The response contains {_CHARACTERS}",
    example=Example(response="A wr\ufffd"),
)
TOPIC_CONTROL_CHARACTERS: Rule[str] = Rule(
    _NAME,
    _find,
    drops=f"The topic contains {_CHARACTERS}",
    example="tides\x00",
)
