"""Marks of the prompts' own form that leaked into a text.

`noinput` inside a text means that the model lost the form, and so does a label
such as `Input:` in the middle of one. Labels count with their capital only: "for
the following input:" is plain English. A chat template's markers would, at
worst, be read back as control tokens.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Pair, Rule, Task

_NO_INPUT = re.compile(r"no ?input", re.IGNORECASE)
_LABEL = re.compile(r"\b(?:Instruction|Input|Output):")
_CHAT = re.compile(
    r"<\|[a-z0-9_]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>"
    r"|<(?:start|end)_of_turn>|#{2,8} ?(?:Instruction|Response)\b",
    re.IGNORECASE,
)


def _no_input(row: Task) -> str | None:
    match = _NO_INPUT.search(row.instruction) or _NO_INPUT.search(row.input)
    return match and match[0]


def _response_no_input(row: Pair) -> str | None:
    match = _NO_INPUT.search(row.response)
    return match[0] if match else _no_input(row)


def _label(row: Task) -> str | None:
    match = _LABEL.search(row.instruction) or _LABEL.search(row.input)
    return match and match[0]


def _chat(row: Task) -> str | None:
    match = _CHAT.search(row.instruction) or _CHAT.search(row.input)
    return match and match[0]


def _response_chat(row: Pair) -> str | None:
    match = _CHAT.search(row.response)
    return match and match[0]


def _topic_chat(topic: str) -> str | None:
    match = _CHAT.search(topic)
    return match and match[0]


NO_INPUT: Rule[Task] = Rule("noinput", _no_input)
RESPONSE_NO_INPUT: Rule[Pair] = Rule("noinput", _response_no_input)
EMBEDDED_LABEL: Rule[Task] = Rule("embedded_label", _label)
CHAT_MARKER: Rule[Task] = Rule("chat_marker", _chat)
RESPONSE_CHAT_MARKER: Rule[Pair] = Rule("chat_marker", _response_chat)
TOPIC_CHAT_MARKER: Rule[str] = Rule("chat_marker", _topic_chat)
