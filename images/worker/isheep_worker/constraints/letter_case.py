"""The whole response has no capital letters, or capital letters only.

IFEval also requires that the response is English. The language of pairs has a rule of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from isheep_worker.constraints.interface import Constraint, ConstraintKind

_LOWER, _UPPER = "change_case:english_lowercase", "change_case:english_capital"
_WHOLE = (
    r"\b(?:(?:answer|respond|reply|write|rewrite|response|output|text|everything)\b[^.;]{0,200}\b"
)
_WHOLE += r"(?:in|using|use)|use|using)\s+(?:only\s+|all\s+)?"
_LOWERCASE = re.compile(
    _WHOLE + r"lower\s?-?case(?:\s+letters)?(?=\s*(?:[.,;:!)]|$)|\s+(?:only|and|with)\b)"
    r"|\b(?:no|without|do not|don't|avoid)\s+(?:us(?:e|ing)\s+)?(?:any\s+)?"
    r"(?:capital|upper\s?-?case)\s+"
    r"letters\b",
    re.IGNORECASE,
)
_CAPITALS = re.compile(
    _WHOLE + r"(?:capital letters|capitals|caps|upper\s?-?case(?:\s+letters)?)"
    r"(?=\s*(?:[.,;:!)]|$)|\s+(?:only|and|with)\b)",
    re.IGNORECASE,
)
# Only a part of the response has this case.
_PART = re.compile(
    r"\b(?:first|last|letter|words?|names?|titles?|headings?|headlines?|beginning|start|vowels|"
    r"acronyms?|nouns?|verbs?)\b",
    re.IGNORECASE,
)


def _find(sentence: str) -> Iterator[Constraint]:
    if _PART.search(sentence):
        return
    if _LOWERCASE.search(sentence):
        yield Constraint(_LOWER, "", str.islower)
    elif _CAPITALS.search(sentence):
        yield Constraint(_UPPER, "", str.isupper)


KIND = ConstraintKind(f"{_LOWER}, {_UPPER}", "the case of all letters", _find)
