"""Repeated: the second half of the response is its first half again.

Repetition is the most frequent form of a collapse, and the response keeps its length.
"""

from __future__ import annotations

from isheep_worker.controls.interface import ControlDefinition, Source

_LEAST_WORDS = 8


def repeated(source: Source) -> str | None:
    """Return the first half of the words twice; None if the response is shorter than 8 words."""
    words = source.response.split()
    if len(words) < _LEAST_WORDS:
        return None
    half = " ".join(words[: len(words) // 2])
    return f"{half} {half}"


REPEATED = ControlDefinition(repeated, "the first half of the response, twice")
