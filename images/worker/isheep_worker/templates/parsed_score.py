"""The result of reading an assessor's answer, and the rounding that both parsers share.

The released scripts of the paper round with Python's `round`: 8.5 becomes 8, and 9.5 becomes 10. A
half is rounded to the even number. The functions here do the same with the digits of the answer, so
that no digit is lost in a floating-point number and a number of any length takes linear time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ScoreFailure = Literal["empty", "no-number", "ambiguous", "out-of-range"]

LOWEST, HIGHEST = 1, 10
SEPARATOR = "||"
"""What the built-in rubrics ask for between the score and the explanation."""


@dataclass(frozen=True, slots=True)
class ParsedScore:
    """A score between 1 and 10, or None and the kind of failure."""

    score: int | None
    failure: ScoreFailure | None = None


def score_of(sign: str | None, whole: str, fraction: str | None) -> ParsedScore:
    """Return the score of a number that is written in ASCII digits.

    Args:
        sign: The sign of the number; any sign except `+` makes the number negative.
        whole: The digits before the point.
        fraction: The digits after the point, or None.

    Returns:
        The rounded number, or the failure `out-of-range` if it is not between 1 and 10.
    """
    whole, fraction = whole.lstrip("0"), (fraction or "").rstrip("0")
    if len(whole) > len(str(HIGHEST)) or sign not in (None, "", "+"):
        return ParsedScore(None, "out-of-range")
    number = int(whole or "0")
    # Digits of a fraction have the order of texts: "49" < "5" < "51".
    if fraction > "5" or (fraction == "5" and number % 2 == 1):
        number += 1
    if not LOWEST <= number <= HIGHEST:
        return ParsedScore(None, "out-of-range")
    return ParsedScore(number)
