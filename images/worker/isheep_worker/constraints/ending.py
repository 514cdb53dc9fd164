"""The response ends with given words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from isheep_worker.constraints.interface import Constraint, ConstraintKind

_NAME = "startend:end_checker"
_STATED = re.compile(
    r"(?<!words )(?<!verbs )(?<!names )(?<!lines )(?<!that )\b(?:end|finish|conclude)(?:ing)?\s+"
    r"(?:(?:it|your|the|this)\s*(?:\w+\s+){0,2})?(?:off\s+)?with\s+(?:exactly\s+)?"
    r"(?:the\s+|this\s+)?(?:exact\s+|following\s+)?(?:phrase|words?|sentence|line|question)?[:,]?\s*"
    r"[\"“](?P<value>[^\"”]{2,80})[\"”]",
    re.IGNORECASE,
)


def _find(sentence: str) -> Iterator[Constraint]:
    for found in _STATED.finditer(sentence):
        value = found["value"].strip()
        yield Constraint(_NAME, value, partial(_ends, value))


def _ends(value: str, text: str) -> bool:
    return text.strip().strip('"').lower().endswith(value.lower())


KIND = ConstraintKind(_NAME, "the last words", _find)
