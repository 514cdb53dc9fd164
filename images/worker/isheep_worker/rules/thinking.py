"""A response that still contains the model's thoughts: a block of them, or marks of a channel.

Some chat templates begin a block of thoughts that the model ends with `</think>`, and some models
write the name of a channel before the text of the channel. If such text becomes a response, the
training teaches the model to show its thoughts. The rule has a separate name, so that the report
shows this cause.

A response about such marks is spared if the marks are in code or in the middle of a sentence. So is
a tag such as `<analysis>` that the task itself contains, because the task asks for it.
"""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule
from isheep_worker.text.code import without_code
from isheep_worker.text.thoughts import THOUGHT_TAGS

_OTHERS = "reasoning|reflection|scratchpad|analysis|inner_monologue"
_OPENING = rf"<\|?(?:{THOUGHT_TAGS})\|?>|\[think(?:ing)?\]|\u25c1think\u25b7"
_CLOSING = rf"</(?:{THOUGHT_TAGS})>|\[/think(?:ing)?\]|\u25c1/think\u25b7"

_ANY_MARK = re.compile(r"[<\[\u25c1]|assistant|\A\s*+analysis")
"""A part of every mark; most responses do not contain it, so the check of it saves time."""
_START = re.compile(rf"\s*+({_OPENING})", re.IGNORECASE)
_OTHER_START = re.compile(rf"\s*+(<(?:{_OTHERS})>)", re.IGNORECASE)
_MARKUP_START = re.compile(r"\s*+<[?!a-z]", re.IGNORECASE)
_CHANNEL = re.compile(
    # Control tokens, and what is left of them when a tokenizer leaves out the tokens.
    r"<\|[a-z0-9_]{0,20}(?:think|thought|reason|channel)[a-z0-9_]{0,20}\|>"
    r"|\A\s*+(?-i:analysis)(?=(?-i:[A-Z])[a-z']{0,20},?[ ][a-z]|[^\x00-\x7f])"
    r"|(?-i:assistant(?:analysis|commentary|final))",
    re.IGNORECASE,
)
_ON_ONE_LINE = re.compile(rf"<({THOUGHT_TAGS})>[^<\n]{{0,200}}</\1>", re.IGNORECASE)
_IN_TEXT = re.compile(
    rf"^[ ]{{0,3}}((?:{_OPENING})[ \t]*$|{_CLOSING})"  # begins a line
    rf"|(?<=[^\s\"'`\u2018\u201c\u00ab(\[{{<>])({_CLOSING})"  # ends a word
    rf"|(?<=[.!?\u2026:)\]*\u3002\uff01\uff1f])[ \t]{{1,4}}({_CLOSING})",  # after a sentence
    re.IGNORECASE | re.MULTILINE,
)


def _check(row: Pair) -> str | None:
    if not _ANY_MARK.search(row.response):
        return None
    if start := _START.match(row.response):
        return start[1]
    if (other := _OTHER_START.match(row.response)) and not _asked(row, other[1]):
        return other[1]
    text = without_code(row.response)
    if channel := _CHANNEL.search(text):
        return channel[0].strip()
    if _MARKUP_START.match(text):
        return None
    found = _IN_TEXT.search(_ON_ONE_LINE.sub("", text))
    return found and (found[1] or found[2] or found[3]).strip()


def _asked(row: Pair, tag: str) -> bool:
    return tag in row.instruction or tag in row.input


THINKING: Rule[Pair] = Rule(
    "thinking",
    _check,
    drops="The response contains thoughts of the model: it begins with a tag such as `<think>`, or "
    "contains the end of a block of thoughts or a mark of a channel. Code and mentions in a "
    "sentence are spared.",
    example=Example(response="The user wants one bird.\n</think>\n\nA wren."),
)
