"""The parsers of an assessor's answer: the score of a pair, or the kind of failure.

The prompt asks for `score||explanation`. Only the text before the separator can contain the score,
so a request can stop at the separator and both parsers read the same score as from the whole
answer. An answer without a score is unparseable, and the pair is dropped without a second attempt
(I-SHEEP section 3.2). Such answers are counted by kind, because a run with many answers of kind
`no-number` needs another rubric or constrained decoding.

There are two parsers. `Strict` is the rule of the paper's released scripts: the number at the start
of the answer, rounded. It needs no other character after the number, so it reads 8 from `8-9` and 1
from `1. Quality: 9`. `Tolerant` also reads the forms in which chat models write a score, and it
refuses a number that can mean another thing (`tolerant_score.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from isheep.contract.choices import Parsing
from isheep_worker.templates.parsed_score import SEPARATOR, ParsedScore, score_of
from isheep_worker.templates.tolerant_score import tolerant_score

_LEADING_NUMBER = re.compile(r"\s*+([+-])?([0-9]{1,20})(?:\.([0-9]{1,20}))?")


def strict_score(answer: str, *, complete: bool = True) -> ParsedScore:
    """Return the score by the rule of the paper's scripts: the number at the start, rounded.

    Args:
        answer: The text of the assessor before the separator.
        complete: Not used, because the rule does not look at the rest of the answer.

    Returns:
        The score, or the kind of failure.
    """
    del complete
    if not answer.strip():
        return ParsedScore(None, "empty")
    match = _LEADING_NUMBER.match(answer)
    return ParsedScore(None, "no-number") if match is None else score_of(*match.groups())


PARSERS: Mapping[Parsing, Callable[..., ParsedScore]] = {
    "Tolerant": tolerant_score,
    "Strict": strict_score,
}


def parse_score(
    answer: str,
    parsing: Parsing = "Tolerant",
    *,
    separator: str | None = SEPARATOR,
    complete: bool = True,
) -> ParsedScore:
    """Return the score of an assessor's answer, in time linear in the length of the answer.

    Args:
        answer: The text that the assessor wrote. It may end before the separator.
        parsing: The parser.
        separator: The text that ends the score; None if the prompt does not ask for one.
        complete: Whether the assessor ended the answer; False if the answer was cut by its length.

    Returns:
        The score, or the kind of failure.
    """
    head, found, _ = answer.partition(separator) if separator else (answer, "", "")
    return PARSERS[parsing](head, complete=complete or bool(found))
