"""Reading an assessor's answer: its leading number, or the kind of trouble.

The answer asked for is `score||explanation`. What counts is the number at its start,
rounded half up, if it lies in 1…10. Anything else is unparseable and dropped without
a second try (I-SHEEP section 3.2), but counted by kind, because a run whose answers
are mostly `no-number` needs another rubric or constrained decoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

ScoreTrouble = Literal["empty", "no-number", "out-of-range"]

LOWEST, HIGHEST = 1, 10
_LEADING_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?)")


@dataclass(frozen=True, slots=True)
class ParsedScore:
    """A score in 1…10, or None and why."""

    score: int | None
    trouble: ScoreTrouble | None = None


def parse_score(answer: str) -> ParsedScore:
    """Return the score at the start of an answer."""
    if not answer.strip():
        return ParsedScore(None, "empty")
    match = _LEADING_NUMBER.match(answer)
    if match is None:
        return ParsedScore(None, "no-number")
    score = int(Decimal(match[1]).quantize(Decimal(1), ROUND_HALF_UP))
    if not LOWEST <= score <= HIGHEST:
        return ParsedScore(None, "out-of-range")
    return ParsedScore(score)
