"""The seeds of a search: as many of each rare theme, and common ones.

A seed draws a rare theme seldom, so a range of seeds has some rare themes once or not at all. The
events of such a theme would be missing in each simulation of the search. So the pool takes the
seeds in their order, but no more of a theme than its part.
"""

from __future__ import annotations

import random
from itertools import count

from ..themes import RARE, draw_theme

RARE_PART, COMMON_PART = 4, 1
"""Of five seeds, four have a rare theme."""


def rare_theme_of(seed: int) -> int | None:
    """Return the number of the rare theme of a seed, which need not run; None if it is common."""
    theme = draw_theme(random.Random(seed))
    return RARE.index(theme) if theme in RARE else None


def pool_of(first: int, size: int) -> list[int]:
    """Return the seeds of a pool, in their order.

    Args:
        first: No seed before this one is taken.
        size: The number of seeds.
    """
    each = size * RARE_PART // ((RARE_PART + COMMON_PART) * len(RARE))
    left: dict[int | None, int] = dict.fromkeys(range(len(RARE)), each)
    left[None] = size - each * len(RARE)
    found: list[int] = []
    for seed in count(first):
        if len(found) == size:
            break
        theme = rare_theme_of(seed)
        if left[theme] > 0:
            left[theme] -= 1
            found.append(seed)
    return found
