"""The control tokens of a tokenizer, and where they are in a text of its chat template.

A control token ends a turn, so no message of a user or a model may add one to a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Split:
    """A text of a template, split at its control tokens.

    `controls` are the ids of the control tokens, `head` and `tail` the plain texts before the first
    and after the last one. `ids_between` are the ids from the first to the last one. Without
    control tokens, head and tail are the whole text.
    """

    head: str
    tail: str
    ids_to_last: Sequence[int]
    ids_from_first: Sequence[int]
    ids_between: Sequence[int]
    controls: Sequence[int]


def split_at_controls(encoded: Any, text: str, special: frozenset[int]) -> Split:
    """Return a text of a template, split at its control tokens.

    Args:
        encoded: The encoding of the text by the library `tokenizers`.
        text: The text.
        special: The ids of the control tokens.
    """
    ids, offsets = list(encoded.ids), encoded.offsets
    places = [place for place, token in enumerate(ids) if token in special]
    if not places:
        return Split(text, text, (), (), (), ())
    first, last = places[0], places[-1]
    return Split(
        head=text[: offsets[first][0]],
        tail=text[offsets[last][1] :],
        ids_to_last=ids[: last + 1],
        ids_from_first=ids[first:],
        ids_between=ids[first : last + 1],
        controls=[ids[place] for place in places],
    )


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Return the ids of all control tokens of a tokenizer of Transformers."""
    added = tokenizer.added_tokens_decoder.items()
    return frozenset({tokenizer.eos_token_id, *(token for token, entry in added if entry.special)})
