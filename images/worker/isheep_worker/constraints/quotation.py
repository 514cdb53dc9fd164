"""The whole response is in double quotation marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isheep_worker.constraints.interface import Constraint, ConstraintKind

_NAME = "startend:quotation"
_STATED = re.compile(
    r"\b(?:wrap|put|enclose|surround|place)\s+(?:your|the)\s+(?:entire\s+|whole\s+|full\s+)?"
    r"(?:response|answer|reply|output)\s+(?:in|with|inside|within)\s+(?:double\s+)?"
    r"(?:quotation marks|quotes)\b",
    re.IGNORECASE,
)


def _find(sentence: str) -> Iterator[Constraint]:
    if _STATED.search(sentence):
        yield Constraint(_NAME, "", _is_quoted)


def _is_quoted(text: str) -> bool:
    plain = text.strip()
    return len(plain) > 1 and plain[0] == plain[-1] == '"'


KIND = ConstraintKind(_NAME, "double quotation marks around the response", _find)
