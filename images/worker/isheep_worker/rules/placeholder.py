"""Something that is left to fill in: a short text in angle brackets or guillemets, or "none".

The rules check the instruction and the input, as the released scripts do, because a model writes
such marks in place of an input. They do not check the response. In code, `#include <iostream>`,
`<html>` and `return None` are complete, and no rule can distinguish a response that is code from a
text. Guillemets are quotation marks in French and Russian, and "none" is an English word, so the
rules apply to runs in English only.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule
from isheep_worker.text.comparison import comparable

# No blank after the bracket: in "a < b and c > d" nothing is left to fill in.
_PLACEHOLDER = re.compile(r"<[^<>\s][^<>\n]{0,19}>|«[^«»\n]{1,20}»")
_NONE = re.compile(r"\bnone\b", re.IGNORECASE)


def _find(pattern: re.Pattern[str], row: Pair) -> str | None:
    for text in (row.instruction, row.input):
        if match := pattern.search(comparable(text)):
            return match[0]
    return None


PLACEHOLDER: Rule[Pair] = Rule(
    "placeholder",
    lambda row: _find(_PLACEHOLDER, row),
    drops="The instruction or the input contains a short text in angle brackets or guillemets that "
    "is left to fill in.",
    example=Example("Write a letter to <name of a friend>.", response="Dear Ada, hello."),
    english_only=True,
)
NONE: Rule[Pair] = Rule(
    "none",
    lambda row: _find(_NONE, row),
    drops="The instruction or the input contains the word `none`.",
    example=Example(input="None", response="A wren."),
    english_only=True,
)
