"""Groups of near copies: texts that are connected by a ROUGE-L F1 above the limit of §3.2.

Curation drops near copies within one pool, but training may combine several pools (`training.data:
All`), and one instruction may have several instances with different inputs.
"""

from __future__ import annotations

from isheep.contract.choices import MAX_ROUGE_L
from isheep_worker.curation.deduplication import Deduplicator


class NearCopies:
    """A union-find structure over texts; a group contains every near copy of its texts."""

    def __init__(self) -> None:
        self._pool = Deduplicator(MAX_ROUGE_L)
        self._parents: list[int] = []

    def add(self, text: str) -> tuple[int, list[int]]:
        """Add a text, and merge the groups of all its near copies.

        Returns:
            The group that contains the text now, and the groups that were merged into it. Groups
            are the numbers that earlier calls returned.
        """
        near = {self.group(position) for position in self._pool.positions(text)}
        position = self._pool.add(text)
        if position == len(self._parents):
            self._parents.append(min(near, default=position))
        near.add(self.group(position))
        kept, *merged = sorted(near)
        for group in merged:
            self._parents[group] = kept
        return kept, merged

    def group(self, position: int) -> int:
        """Return the group of a text by the number that `add` returned for it."""
        while self._parents[position] != position:
            # Each step halves the path, so paths stay short.
            self._parents[position] = self._parents[self._parents[position]]
            position = self._parents[position]
        return position
