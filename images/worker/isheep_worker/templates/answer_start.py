"""The text between a user's message and the answer, for models that think or write in channels.

A chat template has two forms of this text: the one that it writes before an answer in a
conversation, and the generation prompt, which may stop earlier or add something. Inference and
training must use the same text, or a model is trained on a start that it never sees. A response
must contain no thoughts, because a training on them teaches the model to show its thoughts.

- The template writes more than the generation prompt, such as the name of the channel for the final
  answer (gpt-oss) or an empty block of thoughts: this text is used, so the model answers at once.
- The generation prompt opens a block of thoughts that the template cannot turn off: the block is
  closed. The model then answers without thoughts.
- Otherwise the generation prompt is used as it is.

With `responses.thinking: Keep` a response may contain thoughts, so the text ends before a block of
them (`thoughts_start`).
"""

from __future__ import annotations

from isheep_worker.text.thoughts import closing_tag, opening_tag


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


def thoughts_start(generation_prompt: str) -> str:
    """Return the text between a user's message and a response that may begin with thoughts.

    Args:
        generation_prompt: The text after the user's message, rendered with thoughts turned on.

    Returns:
        The generation prompt without a block of thoughts that it opens. The model opens the block
        itself, so the response contains both tags, and a response without thoughts has the same
        prompt.
    """
    opening = opening_tag(generation_prompt)
    if opening is None or _closing_of_open_thoughts(generation_prompt) is None:
        return generation_prompt
    return generation_prompt[: opening.start()]


def _closing_of_open_thoughts(text: str) -> str | None:
    """Return the tag that closes the last block of thoughts, or None if no block is open."""
    opening = opening_tag(text)
    if opening is None:
        return None
    closing = closing_tag(opening)
    return None if closing.lower() in text[opening.end() :].lower() else closing
