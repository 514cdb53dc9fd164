"""A response that offers options or selects one, although the task has no options.

The rule replaces `options` in the set ISheepCode. `options` drops each response with a single
letter and a full stop or in brackets, so it also drops `print(a)`, "a program in C." and "vitamin
C.". This rule looks at the form of options only: a list with capital letters, or the selection of
one. A list with small letters is a usual part of an answer. The rule spares code, and it spares
tasks that ask for options or questions (a quiz) or contain options.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule
from isheep_worker.text.code import without_code

_ASKED = re.compile(
    r"\b(?:multiple[- ]choice|quiz(?:zes)?|trivia|exams?|questions?|options?|choices?|choose"
    r"|select|pick|which of|true or false|outline|a(?:, b)*,? (?:or|and) [b-e])\b",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:^|(?<=\s))\(?([A-Ea-e])[.)][ \t]", re.MULTILINE)
_LINE_ITEM = re.compile(r"^[ \t>*-]{0,8}+\(?([A-E])[.)]\**[ \t](?![ \t]*[=-]>)", re.MULTILINE)
_CHOICES = re.compile(r"\banswer choices:", re.IGNORECASE)
_SELECTED = re.compile(
    r"\A\s*+\([A-Ea-e]\)(?!\s*[=-]>)|\A\s*+[A-E]\)|\A\s*+[A-E]\.[ ]+[A-Z]"
    r"|\b(?i:answer|choice|option)(?:[ ]is|:)[ ]{0,2}"
    r"(?:\([A-Ea-e]\)|[A-E](?=\)|[.,;:]\s|[.]?[ \t]*(?:\n|\Z)))"
)


def _check(row: Pair) -> str | None:
    text = without_code(row.response)
    match = _CHOICES.search(text) or _SELECTED.search(text)
    found = match[0].strip() if match else _listed(_LINE_ITEM, text)
    return None if found is None or _requested(row) else found


def _listed(item: re.Pattern[str], text: str) -> str | None:
    """Return the first item of a list with an A and a B, or None if there is no such list."""
    letters = {match[1].lower(): match[0] for match in item.finditer(text)}
    return letters["a"].strip() if {"a", "b"} <= letters.keys() else None


def _requested(row: Pair) -> bool:
    return bool(
        _ASKED.search(row.instruction)
        or _listed(_ITEM, row.instruction)
        or _listed(_ITEM, row.input)
    )


UNREQUESTED_OPTIONS: Rule[Pair] = Rule(
    "unrequested-options",
    _check,
    drops="The response lists options or selects one, such as `(B)`, although the task neither "
    "asks for options nor contains them. Code is spared.",
    example=Example(response="The answer is (B)."),
    english_only=True,
)
