"""select: choose the pairs of D(t), and give the reason for each other pair (§3.2, Table 3).

Pairs and their scores or measures are stored in the same order, so they are read in parallel. A
method that needs all pairs more than once reads them again, so that memory never holds all of them.
"""

from __future__ import annotations

from statistics import fmean

from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.single_writer import drop_examples, drop_statistics, write_parts
from isheep_worker.rows.schema import SELECTIONS, SelectionRow
from isheep_worker.rules.counts import DropCounts
from isheep_worker.rules.interface import Drop
from isheep_worker.selection.registry import SELECTION_METHODS


def run(context: StageContext[SelectSettings]) -> StageOutcome:
    """Choose D(t) and commit it."""
    tally = _Tally(scored=bool(context.settings.levels))
    decisions = SELECTION_METHODS[context.settings.method](context)
    lines = (SELECTIONS.encode(tally.count(row)) for row in decisions())
    count = write_parts(context, lines)
    return commit(
        context,
        tally.statistics(),
        parts=context.artifacts.collect_parts(context.step.key, count),
        examples=drop_examples(tally.drops),
    )


class _Tally:
    """Counts the rows of D(t); `scored` if their scores are those of an assessor."""

    def __init__(self, *, scored: bool) -> None:
        self.drops = DropCounts()
        self._has_scores = scored
        self._pairs = self._kept = 0
        self._scored = 0
        self._sum_of_means = 0.0

    def count(self, row: SelectionRow) -> SelectionRow:
        self._pairs += 1
        if row.reason is not None:
            self.drops.add(Drop(row.reason, row.reason), f"{row.instruction} -> {row.response}")
            return row
        self._kept += 1
        if self._has_scores and row.scores:
            self._scored += 1
            self._sum_of_means += fmean(row.scores.values())
        return row

    def statistics(self) -> dict[str, float]:
        statistics = {"pairs": self._pairs, "kept": self._kept, **drop_statistics(self.drops)}
        if self._scored:
            statistics["meanScore"] = self._sum_of_means / self._scored
        return statistics
