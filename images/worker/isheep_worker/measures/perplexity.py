"""Perplexities from losses, and the bins in which the report shows them.

A perplexity is exp(mean loss in nats over tokens). Comparisons are made between losses:
a model that is far off has perplexities that no float holds.
"""

from __future__ import annotations

import math
from bisect import bisect_right

BOUNDS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Where the report's bins end; one more holds what is above them all. A bin is `[low, high)`."""

_LARGEST = math.log(1e300)


def perplexity(loss: float) -> float:
    """Return the perplexity of a mean loss; of a loss beyond all floats, 1e300."""
    return math.exp(min(loss, _LARGEST))


def is_below(loss: float, limit: float) -> bool:
    """Return whether the perplexity of a mean loss is below a limit, strictly."""
    return loss < math.log(limit)


def bin_of(loss: float) -> int:
    """Return the number of the bin, 0 to `len(BOUNDS)`, that holds a mean loss's perplexity."""
    return bisect_right(BOUNDS, perplexity(loss))
