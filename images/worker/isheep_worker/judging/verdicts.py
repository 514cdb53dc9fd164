"""The verdict in a judge's answer to the question which of two answers is better.

The prompt asks for a short reason and then for a last line `Verdict: A`, `Verdict: B` or
`Verdict: Tie`. The last such line counts, because a judge can name the form before it decides. What
the judge writes is hostile text: a line with anything else than one of the three words is not
read, invisible characters do not count, and each step takes linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from isheep.contract.invisible_characters import without_invisible
from isheep_worker.text.thoughts import begins_with_thoughts, without_thoughts

Verdict: TypeAlias = Literal["A", "B", "Tie"]
VerdictFailure: TypeAlias = Literal["empty", "no-verdict", "ambiguous"]

_ORNAMENTS = "*_`#>\"'()[]{}.: \t"
_LABEL = re.compile(r"[*_`#>\"'(\[{ \t]{0,12}+(?:final |my )?verdict\b(?P<rest>.*)", re.IGNORECASE)
_SIGN = re.compile(r"[*_`\"' \t]{0,8}+(?:[:=\-–]|is\b)", re.IGNORECASE)
_WORDS: dict[str, Verdict] = {
    "a": "A",
    "answer a": "A",
    "b": "B",
    "answer b": "B",
    "tie": "Tie",
    "a tie": "Tie",
    "draw": "Tie",
    "equal": "Tie",
}


@dataclass(frozen=True, slots=True)
class ParsedVerdict:
    """A verdict, or None and the kind of failure."""

    verdict: Verdict | None
    failure: VerdictFailure | None = None


def parse_verdict(answer: str, *, complete: bool = True) -> ParsedVerdict:
    """Return the verdict of a judge's answer.

    Args:
        answer: The text that the judge wrote, with or without its thoughts.
        complete: Whether the judge ended the answer. If it was cut by its length in the line of the
            verdict, the rest of the word may be missing, so the answer is ambiguous.

    Returns:
        The verdict of the last line that begins with `Verdict`, or the kind of failure.
    """
    text = without_thoughts(without_invisible(answer))
    if not text.strip():
        return ParsedVerdict(None, "empty")
    if begins_with_thoughts(text):
        return ParsedVerdict(None, "no-verdict")
    lines = text.splitlines()
    for number in range(len(lines) - 1, -1, -1):
        if (label := _LABEL.match(lines[number])) is None:
            continue
        sign = _SIGN.match(label["rest"])
        if sign is None:
            continue
        cut = not complete and number == len(lines) - 1 and not text.endswith("\n")
        word = label["rest"][sign.end() :].strip(_ORNAMENTS).lower()
        found = None if cut else _WORDS.get(word)
        return ParsedVerdict(None, "ambiguous") if found is None else ParsedVerdict(found)
    return ParsedVerdict(None, "no-verdict")
