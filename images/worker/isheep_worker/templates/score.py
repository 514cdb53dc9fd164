"""The parser of an assessor's answer: the number at its start, or the kind of failure.

The prompt asks for `score||explanation`. The score is the number at the start, rounded half up, if
it is between 1 and 10. Any other answer is unparseable, and the pair is dropped without a second
attempt (I-SHEEP section 3.2). Such answers are counted by kind, because a run with many answers of
kind `no-number` needs another rubric or constrained decoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

ScoreFailure = Literal["empty", "no-number", "out-of-range"]

LOWEST, HIGHEST = 1, 10
_LEADING_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?)")


@dataclass(frozen=True, slots=True)
class ParsedScore:
    """A score between 1 and 10, or None and the kind of failure."""

    score: int | None
    failure: ScoreFailure | None = None


def parse_score(answer: str) -> ParsedScore:
    """Return the score at the start of an answer.

    Args:
        answer: The text that the assessor wrote.

    Returns:
        The score, or the kind of failure.
    """
    if not answer.strip():
        return ParsedScore(None, "empty")
    match = _LEADING_NUMBER.match(answer)
    if match is None:
        return ParsedScore(None, "no-number")
    score = int(Decimal(match[1]).quantize(Decimal(1), ROUND_HALF_UP))
    if not LOWEST <= score <= HIGHEST:
        return ParsedScore(None, "out-of-range")
    return ParsedScore(score)
