"""Something that is left to fill in: a short text in angle brackets or guillemets, or "none".

The released scripts check the instruction and the input, because a model writes such marks in place
of an input. The method requires the same of the response. The rules check all three.
Guillemets are quotation marks in French and Russian, and "none" is an English word, so the rules
apply to runs in English only.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule

# No blank after the bracket: in "a < b and c > d" nothing is left to fill in.
_PLACEHOLDER = re.compile(r"<[^<>\s][^<>\n]{0,19}>|«[^«»\n]{1,20}»")
_NONE = re.compile(r"\bnone\b", re.IGNORECASE)


def _find(pattern: re.Pattern[str], row: Pair) -> str | None:
    for text in (row.instruction, row.input, row.response):
        if match := pattern.search(text):
            return match[0]
    return None


PLACEHOLDER: Rule[Pair] = Rule(
    "placeholder",
    lambda row: _find(_PLACEHOLDER, row),
    drops="The pair contains a short text in angle brackets or guillemets that is left to fill in.",
    example=Example("Write a letter to a friend.", response="Dear <your name>, hello."),
    english_only=True,
)
NONE: Rule[Pair] = Rule(
    "none",
    lambda row: _find(_NONE, row),
    drops="The pair contains the word `none`.",
    example=Example(input="None", response="A wren."),
    english_only=True,
)
