"""A response that continues with the next turn of a dialogue that the task did not ask for.

The rule replaces `new-turn` in the sets ISheepCode and Dromedary. `new-turn` drops each line that
begins with a label such as `User:` or `Output:`, so it also drops docstrings with an example,
`user: str` in a class, and requested dialogues. This rule looks for what a model writes when it
continues: a speaker's label at the start of a line, a line with the name of a role alone, or
another task in a form of the prompts. It spares code, texts between triple quotes, an output that
is shown as an example, and tasks that ask for a dialogue or contain its labels.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule
from isheep_worker.text.code import without_code

_ASKED = re.compile(
    r"\b(?:dialog(?:ue)?s?|conversations?|chats?|chatbots?|transcripts?|interviews?|scripts?"
    r"|screenplays?|skits?|scenes?|plays?|role[- ]?plays?|user stor(?:y|ies)|FAQs?)\b",
    re.IGNORECASE,
)
_ASKED_QUESTION = re.compile(
    r"\b(?:questions?|quiz(?:zes)?|trivia|exams?|riddles?|flash ?cards?|FAQs?)\b", re.IGNORECASE
)
_LABEL = re.compile(r"^(?:assistant|system|human|user|question)[ \t]*+:", re.I | re.M)
_SPEAKER = re.compile(r"\n(Assistant|System|Human|User|ASSISTANT|SYSTEM|HUMAN|USER)[ \t]*+:")
# In small letters, a label can be the key of a YAML file. Two speakers are a dialogue.
_SMALL = re.compile(r"\n(human|user)[ \t]*+:[^\n]*+\n+assistant[ \t]*+:")
_ROLE_LINE = re.compile(
    # Alone on its line, before a sentence or at the end: a list of roles has one word a line.
    r"\n(assistant|system|human|user)[ \t]*+(?:\n\s*+(?=\S+[ \t]+\S)|\n?\s*+\Z)",
    re.IGNORECASE,
)
_TASK = re.compile(r"\n(Instruction)[ \t]*+:")
_QUESTION = re.compile(r"\n(Question)[ \t]*+:")
_TRIPLE_QUOTED = re.compile(r"\"{3}.*?\"{3}|'{3}.*?'{3}", re.DOTALL)
_REMOVED = "''"


def _check(row: Pair) -> str | None:
    if "\n" not in row.response:
        return None
    text = without_code(row.response)
    if "'''" in text or '"""' in text:
        text = _TRIPLE_QUOTED.sub(_REMOVED, text)
    for pattern in (_SPEAKER, _SMALL, _ROLE_LINE, _TASK):
        if found := pattern.search(text):
            return None if _requested(row, _ASKED) else found[1]
    question = _QUESTION.search(text)
    return None if question is None or _requested(row, _ASKED_QUESTION) else question[1]


def _requested(row: Pair, asked: re.Pattern[str]) -> bool:
    return bool(
        asked.search(row.instruction) or _LABEL.search(row.input) or _LABEL.search(row.instruction)
    )


UNREQUESTED_TURN: Rule[Pair] = Rule(
    "unrequested-turn",
    _check,
    drops="The response continues with the turn of another speaker, such as `User:`, or with "
    "another task, although the task asks for no dialogue. Code and shown outputs are spared.",
    example=Example(response="A wren.\nUser: And a tree?"),
    english_only=True,
)
