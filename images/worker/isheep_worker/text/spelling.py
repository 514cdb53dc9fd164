"""Lists of word numbers in the form in which rapidfuzz computes an LCS fastest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeAlias

_LAST_CHARACTER = sys.maxunicode
Spelling: TypeAlias = "str | tuple[int, ...]"


def spelling(numbers: Sequence[int]) -> Spelling:
    """Return word numbers as a text with one character a word, the fastest form for rapidfuzz.

    If a number is above the last code point (after 1.1 million different words), the numbers stay
    numbers. For rapidfuzz a character is its code point, so it can compare both forms.
    """
    if max(numbers, default=0) > _LAST_CHARACTER:
        return tuple(numbers)
    return "".join(map(chr, numbers))
