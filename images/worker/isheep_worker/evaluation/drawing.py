"""Which items of a benchmark are evaluated: a share of them, and at most a number of them.

A hash of the item decides, and neither its position nor the number of items. The share for
Validation and the rest for Test never have an item in common, also if the file is sorted in another
way or has repeated items. A smaller limit draws a part of what a larger limit draws.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_DIGITS = 13
"""Digits of a hash that make a number: 52 bits, so that the largest one is below 1 as a float."""
_RANGE = 1 << 4 * _DIGITS


@dataclass(frozen=True, slots=True)
class Share:
    """The items whose hash, as a number in [0, 1), is at least `begin` and below `end`."""

    begin: float = 0.0
    end: float = 1.0

    def has(self, value: str) -> bool:
        """Return whether an item with this hash is in the share."""
        return self.begin <= int(value[:_DIGITS], 16) / _RANGE < self.end


def item_hash(item: Any) -> str:
    """Return the SHA-256 of an item in hex; values without a form in JSON count by their text."""
    text = json.dumps(item, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def drawn(hashes: Sequence[str], share: Share, limit: int | None) -> list[int]:
    """Return the positions of the drawn items in ascending order.

    Args:
        hashes: The hash of each item, see `item_hash`.
        share: The share from which items are drawn.
        limit: The largest number of items, or None for all of the share.
    """
    inside = [number for number, value in enumerate(hashes) if share.has(value)]
    return sorted(sorted(inside, key=lambda number: (hashes[number], number))[:limit])
