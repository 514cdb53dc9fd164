"""What the figures of a training set read: D(t), and the earlier sets together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from isheep_worker.collapse.corpus import Corpus
from isheep_worker.collapse.nearest import nearest_rouge_l
from isheep_worker.collapse.row_set import RowSet

DRAWN = 2_000
"""The number of instructions whose nearest neighbour is searched."""


@dataclass(frozen=True)
class RowSource:
    """D(t), and D(1…t-1) as one set; None at t = 1. Both are cut to the same budget."""

    rows: RowSet
    earlier: RowSet | None = None

    @property
    def _drawn(self) -> Corpus:
        return self.rows.instructions.first(min(DRAWN, len(self.rows.instructions)))

    @property
    def drawn_groups(self) -> Any:
        """The number of the completion of each drawn instruction, an int array [drawn]."""
        return self.rows.groups[:DRAWN]

    @cached_property
    def nearest(self) -> Any:
        """ROUGE-L F1 of each drawn instruction to the nearest other one of D(t)."""
        drawn = self._drawn
        return nearest_rouge_l(drawn, self.rows.instructions, range(len(drawn)))

    @cached_property
    def nearest_earlier(self) -> Any:
        """ROUGE-L F1 of each drawn instruction to the nearest one of D(1…t-1); None at t = 1."""
        if self.earlier is None:
            return None
        return nearest_rouge_l(self._drawn, self.earlier.instructions)
