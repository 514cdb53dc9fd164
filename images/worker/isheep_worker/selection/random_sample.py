"""Random: as many pairs as another method kept, without looking at them.

The control that the paper lacks. Each pair that passes the rules draws a number,
the hash of its id, and the lowest numbers are kept. So the choice depends on the
run's random seed and the set of ids, not on the order in which they arrive; a
larger sample contains the smaller one; and memory holds the sample only.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from isheep_worker.rows import PairRow, SelectionRow
from isheep_worker.rules.interface import Pair, Rule, first_drop
from isheep_worker.seeds import item_seed
from isheep_worker.selection.interface import selection_row


def draw(ids: Iterable[str], size: int, random_seed: int, stage_id: str) -> frozenset[str]:
    """Return `size` of the ids (all of them where there are fewer)."""
    numbered = ((item_seed(random_seed, stage_id, item), item) for item in ids)
    return frozenset(item for _, item in heapq.nsmallest(size, numbered))


def passing(pairs: Iterable[PairRow], rules: Sequence[Rule[Pair]]) -> Iterable[str]:
    """Yield the ids of the pairs among which `draw` chooses."""
    return (pair.id for pair in pairs if first_drop(rules, pair) is None)


def verdict(pair: PairRow, rules: Sequence[Rule[Pair]], drawn: AbstractSet[str]) -> SelectionRow:
    """Return a pair's row: kept if it was drawn."""
    if pair.id in drawn:
        return selection_row(pair, None)
    drop = first_drop(rules, pair)
    return selection_row(pair, f"rule:{drop.rule}" if drop else "not_drawn")
