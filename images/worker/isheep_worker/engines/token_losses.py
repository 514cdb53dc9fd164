"""The losses of tokens from a model's logits, a few positions at a time.

Vocabularies are large, so logits in float32 for all positions of a text would need much memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

POSITIONS_AT_ONCE = 512
"""Positions whose logits are in float32 at a time."""


def token_losses(logits: Any, wanted: Any) -> Any:
    """Return the losses of tokens, of which each one is predicted by the logits of its row.

    Args:
        logits: Shape [n, vocabulary].
        wanted: The ids of the tokens, int64 [n].

    Returns:
        Losses in nats, float64 [n], on the CPU.
    """
    losses = [
        torch.nn.functional.cross_entropy(rows.float(), ids, reduction="none")
        for rows, ids in _parts(logits, wanted)
    ]
    return torch.cat(losses).double().cpu()


def are_most_likely(logits: Any, wanted: Any) -> bool:
    """Return whether no token is more likely than the wanted one, in each row (see above)."""
    return all(
        bool((rows.gather(1, ids.unsqueeze(1)).squeeze(1) >= rows.amax(dim=1)).all())
        for rows, ids in _parts(logits, wanted)
    )


def _parts(logits: Any, wanted: Any) -> Iterator[tuple[Any, Any]]:
    return zip(
        logits.split(POSITIONS_AT_ONCE),
        wanted.to(logits.device).split(POSITIONS_AT_ONCE),
        strict=True,
    )
