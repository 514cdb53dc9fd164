"""The place in a text where the prompt's tokens end and the response's tokens begin.

A tokenizer does not encode a text piece by piece. A tokenizer of SentencePiece adds a blank before
the first word of a text, so the response alone begins with another token than the response after a
prompt. A blank at the end of a prompt is usually part of the response's first token. A model that
is trained on tokens which the whole text never has learns a start that inference never writes. So
the tokens of a response are those that the whole text has there:

- `response_lead` finds the white space at the end of a prompt that belongs to the response.
- `LiteralEncoder.continued` encodes a text after a context, without control tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_letters, digits, punctuation
from typing import Any

Encode = Callable[[str], list[int]]

_PROBES = (*ascii_letters, *digits, *punctuation, *"\u00e9\u0434\u6f22\uac00\u0639\u0905")
"""First characters of a response; tokenizers join white space with some of them only."""
_SEPARATOR = "\U0010fff3\U0010fff9\U0010fff1"
"""A token before a text, from a private area of Unicode. It represents a control token, because a
tokenizer encodes the text after a control token in another way than the text at the start."""
_REPLACEMENT = "\ufffd"


def response_lead(encode: Encode, prompt: str) -> str:
    """Return the white space at the end of a prompt that belongs to the response's first token.

    Args:
        encode: Returns the ids of a text with its control tokens.
        prompt: The text of a prompt up to the response.

    Returns:
        The shortest end of the prompt without which the prompt's tokens do not depend on the
        response. It is empty for most tokenizers, and also if there is no such end.
    """
    wholes = [encode(prompt + probe) for probe in _PROBES]
    for end in range(len(prompt), len(prompt.rstrip()) - 1, -1):
        ids = encode(prompt[:end])
        if all(whole[: len(ids)] == ids for whole in wholes):
            return prompt[end:]
    return ""


class LiteralEncoder:
    """Encodes texts in which the names of control tokens are plain text."""

    def __init__(self, backend: Any) -> None:
        """Take a tokenizer of the library `tokenizers`, which is not changed."""
        from tokenizers import AddedToken, Tokenizer  # noqa: PLC0415 - heavy

        self._tokenizer = Tokenizer.from_str(backend.to_str())
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.add_tokens([AddedToken(_SEPARATOR, special=False, normalized=False)])

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text that begins a prompt."""
        return self._encode(_clean(text))

    def continued(self, context: str, text: str, *, after_control: bool) -> list[int]:
        """Return the ids that a text has after a context.

        Args:
            context: The text before, up to the last control token or to the start.
            text: The text whose ids are returned.
            after_control: Whether a control token precedes the context.

        Returns:
            The ids of `text`; as if it followed a control token if its first token cannot be
            separated from the context.
        """
        begin = (_SEPARATOR if after_control else "") + _clean(context)
        before = self._encode(begin)
        whole = self._encode(begin + _clean(text))
        if whole[: len(before)] == before:
            return whole[len(before) :]
        return self._encode(_SEPARATOR + _clean(text))[1:]

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _clean(text: str) -> str:
    """Return a text without the separator, which only a hostile text contains."""
    return text.replace(_SEPARATOR, _REPLACEMENT)
