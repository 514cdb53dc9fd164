"""The response has at least, or at most, a number of words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isheep_worker.constraints.interface import Constraint, ConstraintKind
from isheep_worker.constraints.numbers import NUMBER, number_of

_NAME = "length_constraints:number_words"
_WORD = re.compile(r"\w+")
# Words that are listed, and not counted: "Name at least ten words."
_NO_LIST = (
    r"(?<!list )(?<!name )(?<!give )(?<!find )(?<!me )(?<!choose )(?<!pick )(?<!suggest )"
    r"(?<!provide )(?<!generate )(?<!list with )(?<!of )(?<!include )(?<!learn )(?<!define )"
)
_OF = (
    r"(?:essay|story|poem|text|summary|response|answer|post|letter|email|review|speech|"
    r"description|article|note|report) of "
)
# "At least 5 words in all capital letters" limits a part of the response.
_IN = (
    r"in\b(?!\s+(?:all|capital|upper|lower|caps|bold|italics?|the (?:output|response|answer|text)))"
)
_CLAUSE_END = rf"(?=\s*(?:[.,;:!)]|$)|\s+(?:about\b|on\b|and\b|{_IN}))"
_AFTER = rf"(?: long| in length| in total| or so)?{_CLAUSE_END}"
_LEAST = r"(?:at least|no fewer than|no less than|not less than|a minimum of|more than|over)"
_MOST = r"(?:at most|no more than|not more than|a maximum of|up to|within|not exceeding)"
_LESS = r"(?:less than|fewer than|under)"
_BEFORE = re.compile(
    rf"(?:{_OF}|{_NO_LIST})\b(?P<relation>{_LEAST}|{_MOST}|(?<!no )(?<!not ){_LESS})\s+"
    rf"(?P<number>{NUMBER})\s+words{_AFTER}",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    rf"\b(?P<number>{NUMBER})\s+words\s+(?P<relation>or more|or less|or fewer|maximum|minimum|"
    rf"at most|at least){_CLAUSE_END}",
    re.IGNORECASE,
)
_LOWEST = re.compile(rf"{_LEAST}|or more|minimum", re.IGNORECASE)
_STRICT = re.compile(rf"{_LESS}", re.IGNORECASE)


def _find(sentence: str) -> Iterator[Constraint]:
    for found in (*_BEFORE.finditer(sentence), *_BEHIND.finditer(sentence)):
        relation, number = found["relation"].lower(), number_of(found["number"])
        if relation in {"more than", "over"}:
            yield _at_least(number + 1)
        elif _STRICT.fullmatch(relation):
            yield _less_than(number)
        elif _LOWEST.fullmatch(relation):
            yield _at_least(number)
        else:
            yield _less_than(number + 1)


def _at_least(number: int) -> Constraint:
    return Constraint(_NAME, f"at least {number}", lambda text: _words(text) >= number)


def _less_than(number: int) -> Constraint:
    return Constraint(_NAME, f"less than {number}", lambda text: _words(text) < number)


def _words(text: str) -> int:
    return len(_WORD.findall(text))


KIND = ConstraintKind(_NAME, "the number of words", _find)
