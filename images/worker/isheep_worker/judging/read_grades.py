"""The grade in a judge's answer to the question how good one answer is.

The prompt asks for a short reason and then for a last line `Grade: N`. The last line with a label
and a sign counts, because a judge can name the form before it decides. Judges that were trained for
this task write `Rating` or `Score`, with a scale or in brackets; these are read too. What the judge
writes is hostile text: a line with anything else than one number is not read, invisible characters
do not count, and each step takes linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from isheep.contract.invisible_characters import without_invisible
from isheep_worker.templates.parsed_score import score_of
from isheep_worker.text.thoughts import begins_with_thoughts, without_thoughts

GradeFailure: TypeAlias = Literal["empty", "no-grade", "ambiguous", "out-of-range"]

_ORNAMENTS = "*_`#>\"'()[]{}.: \t\u00a0"
_LABEL = re.compile(
    r"[*_`#>\"'(\[{ \t]{0,12}+(?:final |my |overall )?(?:grade|rating|score)\b(?P<rest>.*)",
    re.IGNORECASE,
)
_SIGN = re.compile(r"[*_`\"' \t]{0,8}+(?:[:=\-–]|is\b)", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?P<whole>[0-9]{1,9}+)(?:\.(?P<fraction>[0-9]{1,9}+))?+"
    r"(?:[\])*_ ]{0,4}+(?:/|out of)[ (\[]{0,4}+10(?:\.0)?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ReadGrade:
    """A grade from 1 to 10, or None and the kind of failure."""

    grade: int | None
    failure: GradeFailure | None = None


def read_grade(answer: str, *, complete: bool = True) -> ReadGrade:
    """Return the grade of a judge's answer.

    Args:
        answer: The text that the judge wrote, with or without its thoughts.
        complete: Whether the judge ended the answer. If it was cut by its length in the line of the
            grade, digits may be missing, so the answer is ambiguous.

    Returns:
        The grade of the last line that begins with a label, rounded as all scores are, or the kind
        of failure.
    """
    text = without_thoughts(without_invisible(answer))
    if not text.strip():
        return ReadGrade(None, "empty")
    if begins_with_thoughts(text):
        return ReadGrade(None, "no-grade")
    lines = text.splitlines()
    for number in range(len(lines) - 1, -1, -1):
        if (label := _LABEL.match(lines[number])) is None:
            continue
        if (sign := _SIGN.match(label["rest"])) is None:
            continue
        if not complete and number == len(lines) - 1 and not text.endswith("\n"):
            return ReadGrade(None, "ambiguous")
        return _grade(label["rest"][sign.end() :].strip(_ORNAMENTS))
    return ReadGrade(None, "no-grade")


def _grade(written: str) -> ReadGrade:
    number = _NUMBER.fullmatch(written)
    if number is None:
        return ReadGrade(None, "ambiguous")
    found = score_of(None, number["whole"], number["fraction"])
    return ReadGrade(found.score, None if found.score is not None else "out-of-range")
