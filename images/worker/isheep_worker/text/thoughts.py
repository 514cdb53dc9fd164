"""The thoughts that a model writes before its answer, in a block between two tags.

Each family of models has its own tags. This module names them once: for the prompts, which close an
open block, for respond, which removes the blocks before an answer, and for the rule `thinking`.
"""

from __future__ import annotations

import re

THOUGHT_TAGS = "think|thinking|thought|thoughts|seed:think"
"""The names of tags that no text but a model's thoughts begins with, as alternatives."""
_ALL_TAGS = rf"{THOUGHT_TAGS}|reasoning"
_BRACKETS = r"\[(?P<bracket>think|thinking)\]|(?P<triangle>\u25c1think\u25b7)"
_OPENING = re.compile(rf"<(?P<tag>{_ALL_TAGS})>|{_BRACKETS}", re.IGNORECASE)
_BLOCK_START = re.compile(rf"\s*+(?:<(?P<tag>{THOUGHT_TAGS})>|{_BRACKETS})", re.IGNORECASE)


def opening_tag(text: str) -> re.Match[str] | None:
    """Return the last tag in a text that opens a block of thoughts, or None."""
    found = list(_OPENING.finditer(text))
    return found[-1] if found else None


def closing_tag(opening: re.Match[str]) -> str:
    """Return the tag that closes the block which an opening tag begins."""
    if opening["tag"]:
        return f"</{opening['tag']}>"
    return f"[/{opening['bracket']}]" if opening["bracket"] else "\u25c1/think\u25b7"


def without_thoughts(response: str) -> str:
    """Return a response without the whole blocks of thoughts at its start.

    A block without an end is left, because nobody knows where the answer begins; the rule
    `thinking` drops it. The function takes time linear in the length of the response.

    Args:
        response: A response as a model wrote it.

    Returns:
        The answer without outer white space, or the response itself if it begins with no block.
    """
    start = 0
    while opening := _BLOCK_START.match(response, start):
        closing = re.compile(re.escape(closing_tag(opening)), re.IGNORECASE)
        end = closing.search(response, opening.end())
        if end is None:
            break
        start = end.end()
    return response[start:].strip() if start else response


def begins_with_thoughts(response: str) -> bool:
    """Return whether a response begins with a block of thoughts.

    In the result of `without_thoughts`, such a block has no end.
    """
    return _BLOCK_START.match(response) is not None
