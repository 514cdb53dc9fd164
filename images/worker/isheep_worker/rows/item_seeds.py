"""Where every random decision about an item comes from: a hash of what the item is.

No generator is shared between items, so no decision depends on what was drawn
before it: a part that is generated again after a kill, by another pod, in
another order, draws the same numbers. The seed is 63 bits because engines and
torch take signed 64-bit integers.
"""

from __future__ import annotations

import hashlib
import json
import random

_EXEMPLARS = "exemplars"


def item_seed(random_seed: int, stage_id: str, item: int | str) -> int:
    """Return the 63-bit seed of one item of one stage.

    `random_seed` is the run's, `stage_id` as in `i2/generate/r1`, `item` a number
    or an id; 3 and "3" are different items.
    """
    return _hash63(random_seed, stage_id, item)


def exemplar_random(random_seed: int, stage_id: str, completion: int) -> random.Random:
    """Return the generator that draws the exemplars of one completion's prompt.

    A stream of its own, unrelated to the seed with which the completion is sampled.
    """
    return random.Random(_hash63(random_seed, stage_id, completion, _EXEMPLARS))  # noqa: S311 - reproducible on purpose


def _hash63(*parts: int | str) -> int:
    # JSON keeps the parts apart: ("a", "bc") and ("ab", "c") must not meet.
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "big") >> 1
