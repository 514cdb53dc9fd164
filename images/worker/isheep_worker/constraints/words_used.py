"""The response has given words, or does not have them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isheep_worker.constraints.interface import Constraint, ConstraintKind

_EXISTENCE, _FORBIDDEN = "keywords:existence", "keywords:forbidden_words"
_QUOTED = r"[\"“'‘][^\"”'’]{2,40}[\"”'’]"
_VALUES = rf"(?P<values>{_QUOTED}(?:(?:,|,?\s+and|,?\s+or)\s+{_QUOTED})*)"
_WORDS = (
    r"(?:(?:any of\s+)?(?:the|these|this)\s+)?(?:following\s+)?"
    r"(?:(?:key)?(?:words?|phrases?|terms?))?[:,]?\s*"
)
_NOT = r"(?:n[’']t|\bnot|\bnever|\bavoid|\bwithout|\brefrain from|\bno)\s+(?:to\s+)?"
# A largest number of occurrences; a smallest number also needs the word.
_MOST = r"(?!\s*,?\s*(?:or\b|at most|once or less|less than|no more|fewer|not more))"
_WANTED = re.compile(
    rf"(?P<negation>{_NOT})?\b(?:includ(?:es?|ing)|us(?:es?|ing)|mention(?:ing|s)?|contain(?:ing|s)?|"
    rf"incorporat(?:es?|ing))\s+{_WORDS}{_VALUES}{_MOST}",
    re.IGNORECASE,
)
_AVOIDED = re.compile(rf"\b(?:avoid|without)\s+{_WORDS}{_VALUES}", re.IGNORECASE)
_QUOTE = re.compile(_QUOTED)
_ALTERNATIVE = re.compile(r"\bor\b", re.IGNORECASE)
_SCARE = re.compile(r"\b(?:instead of|rather than|as|in the style of|symbol|sign)\b", re.IGNORECASE)


def _find(sentence: str) -> Iterator[Constraint]:
    if _SCARE.search(re.sub(_QUOTED, "", sentence)):
        return
    for found in _WANTED.finditer(sentence):
        words = [quoted[1:-1].strip() for quoted in _QUOTE.findall(found["values"])]
        if found["negation"]:
            yield from map(_forbidden, words)
        elif not _ALTERNATIVE.search(re.sub(_QUOTED, "", found["values"])):
            yield from map(_required, words)
    for found in _AVOIDED.finditer(sentence):
        yield from (_forbidden(quoted[1:-1].strip()) for quoted in _QUOTE.findall(found["values"]))


def _required(word: str) -> Constraint:
    return Constraint(_EXISTENCE, word, lambda text: word.lower() in text.lower())


def _forbidden(word: str) -> Constraint:
    pattern = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
    return Constraint(_FORBIDDEN, word, lambda text: pattern.search(text) is None)


KIND = ConstraintKind(f"{_EXISTENCE}, {_FORBIDDEN}", "words to use or to avoid", _find)
