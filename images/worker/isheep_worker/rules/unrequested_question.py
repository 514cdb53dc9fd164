"""A response that asks the user a question, although the task asks for no questions.

The rule replaces `question-back` in the set ISheepCode. `question-back` also drops requested
quizzes, interviews and letters, and code with a question mark after a blank line. This rule spares
code, and tasks that ask for questions or for a text to other readers. An offer at the end, such as
"Do you want me to continue?", is a question to the user in every task.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule
from isheep_worker.text.code import without_code

_ASKED = re.compile(
    r"\b(?:questions?|questionnaires?|quiz(?:zes)?|trivia|exams?|riddles?|interviews?|surveys?"
    r"|polls?|FAQs?|asks?|asking|dialog(?:ue)?s?|conversations?|chats?|scripts?|scenes?|plays?"
    r"|stor(?:y|ies)|poems?|songs?|lyrics|jokes?|speech(?:es)?|letters?|e-?mails?|messages?"
    r"|posts?|tweets?|blogs?|articles?|essays?|advert\w*|ads?|slogans?|headlines?|titles?"
    r"|translat\w*|rewrit\w*|rephras\w*|paraphras\w*|correct|edit|convert|continue)\b",
    re.IGNORECASE,
)
# A line that ends with a question mark and has no character of code.
_QUESTION = re.compile(
    r"\ncan you\b"
    r"|\bdo you\b[^.?!\n;{}=<>$]{1,200}\?"
    r"|\n[ \t]*+\n(?![ \t]*(?:#|//|--|/\*))[^\n;{}=<>$]{0,99}\?[\"')\]*_\u201d \t]{0,8}$",
    re.IGNORECASE | re.MULTILINE,
)
_OFFER = re.compile(
    r"\b(?:would you like|do you want) me to\b[^.?!\n]{1,200}\?\s*+\Z", re.IGNORECASE
)


def _check(row: Pair) -> str | None:
    text = without_code(row.response)
    if offer := _OFFER.search(text):
        return offer[0].strip()
    match = _QUESTION.search(text)
    return None if match is None or _ASKED.search(row.instruction) else match[0].strip()


UNREQUESTED_QUESTION: Rule[Pair] = Rule(
    "unrequested-question",
    _check,
    drops="The response asks the user a question, although the task asks neither for questions "
    "nor for a text to other readers. Code is spared.",
    example=Example(response="A wren.\n\nDo you like birds?"),
    english_only=True,
)
