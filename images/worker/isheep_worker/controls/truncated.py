"""Truncated: the response ends in the middle, as if it were cut by the limit of its length."""

from __future__ import annotations

import re

from isheep_worker.controls.interface import ControlDefinition, Source

_LEAST_WORDS = 8
_WORD = re.compile(r"\S+")


def truncated(source: Source) -> str | None:
    """Return the first half of the words; None if the response is shorter than 8 words."""
    words = list(_WORD.finditer(source.response))
    if len(words) < _LEAST_WORDS:
        return None
    return source.response[: words[len(words) // 2 - 1].end()]


TRUNCATED = ControlDefinition(truncated, "the first half of the response")
