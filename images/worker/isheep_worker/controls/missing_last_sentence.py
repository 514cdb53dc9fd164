"""MissingLastSentence: the response without its last sentence, which is often the conclusion."""

from __future__ import annotations

import re

from isheep_worker.controls.interface import ControlDefinition, Source

# A sentence ends with its mark, in Latin or CJK script, before a space or a new line.
_END = re.compile(r"[.!?][\"')\]]*\s+|[。！？]\s*|\n+")


def missing_last_sentence(source: Source) -> str | None:
    """Return the response up to its last sentence; None if it has one sentence only."""
    text = source.response.rstrip()
    ends = [match.end() for match in _END.finditer(text) if match.end() < len(text)]
    shorter = text[: ends[-1]].rstrip() if ends else ""
    return shorter or None


MISSING_LAST_SENTENCE = ControlDefinition(
    missing_last_sentence, "the response without its last sentence"
)
