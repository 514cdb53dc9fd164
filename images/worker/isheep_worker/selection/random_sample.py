"""Random: as many pairs as another method keeps, without a look at the pairs.

The paper does not have this control. Each pair that passes the rules draws a number, the hash of
its id, and the pairs with the lowest numbers are kept. So the choice depends on the run's random
seed and on the set of ids, not on the order of the pairs; a larger sample contains the smaller
samples; and memory contains the sample only.

The draw is among the rows of another method: of the method whose size is copied, or of None if the
settings contain the size. Only the drops by rules count; the other decisions of that method do not.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace

from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import SelectionRow
from isheep_worker.rules.drop_reasons import NOT_DRAWN
from isheep_worker.selection.contaminated import EXCLUDED
from isheep_worker.selection.interface import Decisions


def draw(ids: Iterable[str], size: int, random_seed: int, stage_id: str) -> frozenset[str]:
    """Return a sample of ids.

    Args:
        ids: The ids, in any order.
        size: The number of ids in the sample; if there are fewer ids, all of them are returned.
        random_seed: The run's random seed.
        stage_id: The id of the stage, so that iterations draw different numbers.

    Returns:
        The ids that are drawn.
    """
    numbered = ((item_seed(random_seed, stage_id, item), item) for item in ids)
    return frozenset(item for _, item in heapq.nsmallest(size, numbered))


def passing(rows: Iterable[SelectionRow]) -> Iterable[str]:
    """Yield the ids of the pairs that no rule has dropped; `draw` chooses among them."""
    return (row.id for row in rows if row.reason not in EXCLUDED)


def decide(row: SelectionRow, drawn: AbstractSet[str]) -> SelectionRow:
    """Return the row of a pair.

    Args:
        row: The row of the pair by another method.
        drawn: The ids that `draw` returned.

    Returns:
        The row; it is kept if the pair was drawn. A pair that a rule dropped keeps its row.
    """
    if row.reason in EXCLUDED:
        return row
    kept = row.id in drawn
    return replace(row, kept=kept, reason=None if kept else NOT_DRAWN.name)


def decisions(context: StageContext[SelectSettings], others: Decisions) -> Decisions:
    """Return the decisions by a draw.

    Args:
        context: The stage, whose settings have the size of the sample or copy that of a method.
        others: The decisions of the method whose size is copied, or of None.

    Returns:
        The decisions.
    """
    settings = context.settings
    size = settings.size
    if size is None:
        size = sum(row.kept for row in others())
    drawn = draw(passing(others()), size, settings.random_seed, context.step.id)
    return lambda: (decide(row, drawn) for row in others())
