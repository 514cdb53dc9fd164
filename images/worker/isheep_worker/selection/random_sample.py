"""Random: as many pairs as another method keeps, without looking at them.

The control that the paper lacks. Each pair that passes the rules draws a number,
the hash of its id, and the lowest numbers are kept. So the choice depends on the
run's random seed and the set of ids, not on the order in which they arrive; a
larger sample contains the smaller one; and memory holds the sample only.

What is drawn from are the rows of another method: of the one whose size is taken, or
of None where the size is given. Of its verdicts only those of the rules count.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace

from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import SelectionRow
from isheep_worker.selection.interface import RULE


def draw(ids: Iterable[str], size: int, random_seed: int, stage_id: str) -> frozenset[str]:
    """Return `size` of the ids (all of them where there are fewer)."""
    numbered = ((item_seed(random_seed, stage_id, item), item) for item in ids)
    return frozenset(item for _, item in heapq.nsmallest(size, numbered))


def passing(rows: Iterable[SelectionRow]) -> Iterable[str]:
    """Yield the ids of the pairs among which `draw` chooses: no rule has dropped them."""
    return (row.id for row in rows if not _is_ruled_out(row))


def decide(row: SelectionRow, drawn: AbstractSet[str]) -> SelectionRow:
    """Return the row of a pair, of which another method's is given: kept if it was drawn."""
    if _is_ruled_out(row):
        return row
    kept = row.id in drawn
    return replace(row, kept=kept, reason=None if kept else "not_drawn")


def _is_ruled_out(row: SelectionRow) -> bool:
    return row.reason is not None and row.reason.startswith(RULE)
