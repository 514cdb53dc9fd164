"""Repeated: the second half of the response is its first half again.

Repetition is the most frequent form of a collapse, and the response keeps its length.
"""

from __future__ import annotations

from isheep_worker.controls.interface import ControlDefinition, Source
from isheep_worker.text.tokenization import first_words

_LEAST_WORDS = 8


def repeated(source: Source) -> str | None:
    """Return the first half of the words twice; None if the response is shorter than 8 words.

    In scripts without spaces, a character is a word.
    """
    half = first_words(source.response, 0.5, _LEAST_WORDS)
    if half is None:
        return None
    half = " ".join(half.split())
    return f"{half} {half}"


REPEATED = ControlDefinition(repeated, "the first half of the response, twice")
