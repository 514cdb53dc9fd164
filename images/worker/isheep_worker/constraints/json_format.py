"""The whole response is JSON, possibly in a fenced block."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from isheep_worker.constraints.interface import Constraint, ConstraintKind

_NAME = "detectable_format:json_format"
_STATED = re.compile(
    r"\b(?:answer|respond|reply|output|return|format|write|give|provide|present|list|response|"
    r"result|wrap|put|convert|turn)\b[^.;]{0,200}\b(?:in|as|into|to|using|output|return)\s+(?:an?\s+)?"
    r"(?:valid\s+)?json\b(?!\s*(?:schema|parser|file|lines))",
    re.IGNORECASE,
)
# The input is JSON, or the response also has another part.
_OTHER = re.compile(r"\b(?:json to|from json|this json|the json|followed by|then)\b", re.IGNORECASE)
_FENCES = ("```json", "```Json", "```JSON", "```")


def _find(sentence: str) -> Iterator[Constraint]:
    if _STATED.search(sentence) and not _OTHER.search(sentence):
        yield Constraint(_NAME, "", _is_json)


def _is_json(text: str) -> bool:
    plain = text.strip()
    for fence in _FENCES:
        plain = plain.removeprefix(fence)
    try:
        json.loads(plain.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


KIND = ConstraintKind(_NAME, "JSON", _find)
