"""Which pairs of D(t) are used if there are more than `training.maxSamples`.

The released scripts take the first ones. D(t) is in the order of the rounds, so the first pairs are
all from round 1, in which no example in a prompt is machine-made. A draw represents all of D(t).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable


def drawn(seeds: Iterable[int], count: int) -> frozenset[int]:
    """Return the positions of the pairs with the lowest seeds.

    Because a seed is a hash of its pair, this is a draw without replacement in which all pairs have
    the same chance. It does not depend on the order of the pairs.

    Args:
        seeds: A hash of each pair, in the order of D(t).
        count: The maximum number of pairs (`training.maxSamples`, 3,000 in Appendix E).
    """
    lowest = heapq.nsmallest(count, ((seed, position) for position, seed in enumerate(seeds)))
    return frozenset(position for _, position in lowest)


def first(count: int) -> range:
    """Return the positions of the first `count` pairs, as the released scripts choose them."""
    return range(count)
