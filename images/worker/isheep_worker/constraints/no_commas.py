"""The response has no commas."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isheep_worker.constraints.interface import Constraint, ConstraintKind

_NAME = "punctuation:no_comma"
_STATED = re.compile(
    r"\b(?:without\s+(?:using\s+|the use of\s+)?(?:any\s+|a single\s+)?commas?|"
    r"(?:do not|don't|never|avoid|not|refrain from)\s+(?:to\s+)?"
    r"(?:us(?:e|ing)|includ(?:e|ing)|the use of)\s+(?:of\s+)?(?:any\s+|a single\s+)?commas?|"
    r"avoid\s+(?:any\s+|all\s+)?commas|(?:use|with|contain|include)\s+no commas?)"
    r"(?!\s+(?:between|after|before|splices?|separated))\b",
    re.IGNORECASE,
)


def _find(sentence: str) -> Iterator[Constraint]:
    if _STATED.search(sentence):
        yield Constraint(_NAME, "", lambda text: "," not in text)


KIND = ConstraintKind(_NAME, "no commas", _find)
