"""Marks of the prompt's form in a text: the model confused the form with the content.

`noinput` inside a text shows that the model lost the form. A marker of a chat template could be
read as a control token later.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule, Task
from isheep_worker.text.comparison import comparable

_NO_INPUT = re.compile(r"no ?input", re.IGNORECASE)
_CHAT = re.compile(
    r"<\|[a-z0-9_]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>"
    r"|<(?:start|end)_of_turn>|#{2,8} ?(?:Instruction|Response)\b",
    re.IGNORECASE,
)
_NO_INPUT_NAME = "no-input"
_CHAT_NAME = "chat-marker"


def _no_input(row: Task) -> str | None:
    match = _NO_INPUT.search(comparable(row.instruction)) or _NO_INPUT.search(comparable(row.input))
    return match and match[0]


def _response_no_input(row: Pair) -> str | None:
    match = _NO_INPUT.search(comparable(row.response))
    return match[0] if match else _no_input(row)


def _chat(row: Task) -> str | None:
    match = _CHAT.search(row.instruction) or _CHAT.search(row.input)
    return match and match[0]


def _response_chat(row: Pair) -> str | None:
    match = _CHAT.search(row.response)
    return match and match[0]


def _topic_chat(topic: str) -> str | None:
    match = _CHAT.search(topic)
    return match and match[0]


NO_INPUT: Rule[Task] = Rule(
    _NO_INPUT_NAME,
    _no_input,
    drops="The instruction or the input contains the mark for an absent input.",
    example=Example("Name a small bird <noinput>"),
)
RESPONSE_NO_INPUT: Rule[Pair] = Rule(
    _NO_INPUT_NAME,
    _response_no_input,
    drops="The pair contains the mark for an absent input.",
    example=Example(response="A wren. <noinput>"),
)
CHAT_MARKER: Rule[Task] = Rule(
    _CHAT_NAME,
    _chat,
    drops="The instruction or the input contains a marker of a chat template.",
    example=Example("Name a <|im_start|>system bird."),
)
RESPONSE_CHAT_MARKER: Rule[Pair] = Rule(
    _CHAT_NAME,
    _response_chat,
    drops="The response contains a marker of a chat template.",
    example=Example(response="A wren.<|im_end|>"),
)
TOPIC_CHAT_MARKER: Rule[str] = Rule(
    _CHAT_NAME,
    _topic_chat,
    drops="The topic contains a marker of a chat template.",
    example="tides <|im_end|>",
)
