"""The response has exactly a number of bullet points."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from isheep_worker.constraints.interface import Constraint, ConstraintKind
from isheep_worker.constraints.numbers import NUMBER, number_of

_NAME = "detectable_format:number_bullet_lists"
_STATED = re.compile(
    rf"\b(?:in|as|use|using|with|into|contain|include|provide|give|write|of|exactly)\s+"
    rf"(?:me\s+)?(?:exactly\s+|only\s+)?(?P<number>{NUMBER})\s+(?:short\s+|brief\s+|concise\s+)?"
    rf"bullet\s?points?(?!\s+or\b)",
    re.IGNORECASE,
)
_STAR = re.compile(r"^\s*\*[^\*].*$", re.MULTILINE)
_DASH = re.compile(r"^\s*-.*$", re.MULTILINE)


def _find(sentence: str) -> Iterator[Constraint]:
    for found in _STATED.finditer(sentence):
        number = number_of(found["number"])
        yield Constraint(_NAME, f"exactly {number}", partial(_has_bullets, number))


def _has_bullets(number: int, text: str) -> bool:
    return len(_STAR.findall(text)) + len(_DASH.findall(text)) == number


KIND = ConstraintKind(_NAME, "the number of bullet points", _find)
