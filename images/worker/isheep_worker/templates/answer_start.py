"""The text between a user's message and the answer, for models that think or write in channels.

A chat template has two forms of this text: the one that it writes before an answer in a
conversation, and the generation prompt, which may stop earlier or add something. Inference and
training must use the same text, or a model is trained on a start that it never sees. A response
must contain no thoughts, because a training on them teaches the model to show its thoughts, and the
rules drop it.

- The template writes more than the generation prompt, such as the name of the channel for the final
  answer (gpt-oss) or an empty block of thoughts: this text is used, so the model answers at once.
- The generation prompt opens a block of thoughts that the template cannot turn off: the block is
  closed. The model then answers without thoughts.
- Otherwise the generation prompt is used as it is.
"""

from __future__ import annotations

import re

_TAGS = r"think|thinking|thought|thoughts|reasoning|seed:think"
_OPENING = re.compile(
    rf"<(?P<tag>{_TAGS})>|\[(?P<bracket>think|thinking)\]|(?P<kimi>\u25c1think\u25b7)",
    re.IGNORECASE,
)


def answer_start(generation_prompt: str, written: str | None) -> str:
    """Return the text that inference and training use between a user's message and the answer.

    Args:
        generation_prompt: The text after the user's message with the template's generation prompt.
        written: The text that the template writes between the user's message and an answer, or None
            if the template does not write the answer as it is.
    """
    start = generation_prompt
    if written is not None and written.startswith(generation_prompt):
        start = written
    closing = _closing_of_open_thoughts(start)
    if closing is None:
        return start
    return f"{start.rstrip()}\n\n{closing}\n\n"


def _closing_of_open_thoughts(text: str) -> str | None:
    """Return the tag that closes the last block of thoughts, or None if no block is open."""
    found = list(_OPENING.finditer(text))
    if not found:
        return None
    closing = _closing(found[-1])
    return None if closing.lower() in text[found[-1].end() :].lower() else closing


def _closing(opening: re.Match[str]) -> str:
    if opening["tag"]:
        return f"</{opening['tag']}>"
    return f"[/{opening['bracket']}]" if opening["bracket"] else "\u25c1/think\u25b7"
