"""Perplexities from losses, and the bins in which the report shows them (Table 3, Perplexity).

A perplexity is exp(mean loss over tokens, in nats). The functions compare losses instead of
perplexities, because the perplexity of a very large loss exceeds the range of floats.
"""

from __future__ import annotations

import math
from bisect import bisect_right

BOUNDS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""The upper bounds of the report's bins `[low, high)`; one more bin has all higher values."""

_LARGEST = math.log(1e300)


def perplexity(loss: float) -> float:
    """Return the perplexity of a mean loss.

    Args:
        loss: The mean loss over tokens, in nats.

    Returns:
        exp(loss), but at most 1e300.
    """
    return math.exp(min(loss, _LARGEST))


def is_below(loss: float, limit: float) -> bool:
    """Return whether the perplexity of a mean loss is strictly below a limit.

    Args:
        loss: The mean loss over tokens, in nats. The result is False if it is NaN.
        limit: The limit as a perplexity (`selection.perplexity.max`), above 0.
    """
    return loss < math.log(limit)


def bin_of(loss: float) -> int:
    """Return the number of the bin of a mean loss's perplexity.

    Args:
        loss: The mean loss over tokens, in nats.

    Returns:
        The index of the bin, in [0, len(BOUNDS)].
    """
    return bisect_right(BOUNDS, perplexity(loss))
