"""Truncated: the response ends in the middle, as if it were cut by the limit of its length."""

from __future__ import annotations

from isheep_worker.controls.interface import ControlDefinition, Source
from isheep_worker.text.tokenization import first_words

_LEAST_WORDS = 8


def truncated(source: Source) -> str | None:
    """Return the first half of the words; None if the response is shorter than 8 words.

    In scripts without spaces, a character is a word.
    """
    return first_words(source.response, 0.5, _LEAST_WORDS)


TRUNCATED = ControlDefinition(truncated, "the first half of the response")
