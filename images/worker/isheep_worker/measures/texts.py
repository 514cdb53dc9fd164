"""What a model is given to read, what it makes of it, and how a part is cut into batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenText:
    """A pair as token ids: its prompt and its response, each one token or more."""

    id: str
    prompt_ids: Sequence[int]
    response_ids: Sequence[int]

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.response_ids)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model makes of a text.

    Mean losses in nats over the response's tokens, and over all tokens but the text's
    first, which has nothing before it. `vector` is float32[hidden], where asked for.
    """

    response_loss: float
    pair_loss: float
    vector: Any | None


def batches(texts: Sequence[TokenText], tokens_at_once: int) -> list[list[TokenText]]:
    """Return texts in batches, shorter ones first: like lengths together are little padding.

    A batch, padded to its longest text, has at most `tokens_at_once` tokens; a text
    that is longer has a batch of its own, as every text has where the bound is 0. All
    is a function of the texts and the bound, and so is every rounding in the model.
    """
    found: list[list[TokenText]] = []
    for text in sorted(texts, key=len):
        # The newest is the longest so far.
        if found and len(text) * (len(found[-1]) + 1) <= tokens_at_once:
            found[-1].append(text)
        else:
            found.append([text])
    return found
