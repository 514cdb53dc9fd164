"""Something left to fill in: a short text in angle brackets or guillemets, or the word "none".

The released scripts look at instruction and input, where a model writes such
marks instead of an input; the method asks the same of the response. All three
are checked. Guillemets are quotation marks in French and Russian, and "none" is
a word in English: hence English runs only.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Pair, Rule

# Not before a blank: in "a < b and c > d" nothing is left to fill in.
_PLACEHOLDER = re.compile(r"<[^<>\s][^<>\n]{0,19}>|«[^«»\n]{1,20}»")
_NONE = re.compile(r"\bnone\b", re.IGNORECASE)


def _find(pattern: re.Pattern[str], row: Pair) -> str | None:
    for text in (row.instruction, row.input, row.response):
        if match := pattern.search(text):
            return match[0]
    return None


PLACEHOLDER: Rule[Pair] = Rule(
    "placeholder", lambda row: _find(_PLACEHOLDER, row), english_only=True
)
NONE: Rule[Pair] = Rule("none", lambda row: _find(_NONE, row), english_only=True)
