"""The seeds of all random decisions about an item: hashes of the run's seed, stage and item.

Items share no generator, so no decision depends on earlier draws. If another pod generates a part
again after a kill, in another order, it draws the same numbers. A seed has 63 bits because engines
and torch take signed 64-bit integers.
"""

from __future__ import annotations

import hashlib
import json
import random

_EXEMPLARS = "exemplars"


def item_seed(random_seed: int, stage_id: str, item: int | str) -> int:
    """Return the seed of one item of one stage.

    Args:
        random_seed: The run's seed (`spec.randomSeed`).
        stage_id: The id of the stage, such as `i2/generate/r1`.
        item: The number or the id of the item; 3 and "3" are different items.

    Returns:
        An integer of 63 bits.
    """
    return _hash63(random_seed, stage_id, item)


def exemplar_random(random_seed: int, stage_id: str, completion: int) -> random.Random:
    """Return the generator that draws the examples in the prompt of one completion.

    Its numbers are independent of the seed with which the completion is sampled.

    Args:
        random_seed: The run's seed (`spec.randomSeed`).
        stage_id: The id of the stage, such as `i2/generate/r1`.
        completion: The number of the completion in the round.
    """
    return random.Random(_hash63(random_seed, stage_id, completion, _EXEMPLARS))  # noqa: S311 - reproducible on purpose


def _hash63(*parts: int | str) -> int:
    # JSON separates the parts, so ("a", "bc") and ("ab", "c") have different texts.
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "big") >> 1
