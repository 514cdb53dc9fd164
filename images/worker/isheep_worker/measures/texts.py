"""Texts as token ids, their measures, and the batches of a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenText:
    """A pair as token ids: its prompt and its response, each with at least one token."""

    id: str
    prompt_ids: Sequence[int]
    response_ids: Sequence[int]

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.response_ids)


@dataclass(frozen=True, slots=True)
class TextMeasure:
    """The measures of a text.

    The losses are means in nats: `response_loss` over the response's tokens, and `pair_loss` over
    all tokens except the first, which has no token before it. `vector` is float32 [hidden], or None
    if vectors are not requested.
    """

    response_loss: float
    pair_loss: float
    vector: Any | None


def batches(texts: Sequence[TokenText], tokens_at_once: int) -> list[list[TokenText]]:
    """Cut texts into batches, shorter texts first, because similar lengths need little padding.

    The batches depend only on the texts and the limit, and so does each rounding in the model.

    Args:
        texts: The texts of a part.
        tokens_at_once: The limit of a batch, in tokens with padding. A longer text is a batch of
            one, and so is every text if the limit is 0.

    Returns:
        The batches, each with at least one text.
    """
    found: list[list[TokenText]] = []
    for text in sorted(texts, key=len):
        # The texts are sorted, so this one is the longest of the batch.
        if found and len(text) * (len(found[-1]) + 1) <= tokens_at_once:
            found[-1].append(text)
        else:
            found.append([text])
    return found
