"""Density: one pair of each cluster of similar pairs is kept, at random (Table 3).

Many similar pairs make one cluster, as a few unusual pairs do, so the kept pairs are spread more
evenly than the generated ones. Each pair draws a number, a hash of its id, and the pair with the
lowest number of its cluster is kept. The choice depends on the run's random seed and on the members
of the cluster, not on the order of the pairs. The numbers differ from those of Random. Otherwise
Random would tend to keep the same pairs, and would not be a control.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import MeasureRow, PairRow, SelectionRow
from isheep_worker.rules.drop_reasons import CLUSTER_NOT_DRAWN
from isheep_worker.selection.interface import Decisions
from isheep_worker.selection.measured import clustered_pairs, measured_pairs, measured_row


def draw(clustered: Iterable[tuple[str, int]], random_seed: int, stage_id: str) -> frozenset[str]:
    """Return one id of each cluster.

    Args:
        clustered: The ids of pairs with the numbers of their clusters, in any order.
        random_seed: The run's random seed.
        stage_id: The id of the stage, so that iterations draw different numbers.

    Returns:
        The ids that are drawn.
    """
    lowest: dict[int, tuple[int, str]] = {}
    for id_, cluster in clustered:
        drawn = (item_seed(random_seed, stage_id, f"{id_}/cluster"), id_)
        lowest[cluster] = min(lowest.get(cluster, drawn), drawn)
    return frozenset(id_ for _, id_ in lowest.values())


def decide(pair: PairRow, measure: MeasureRow, drawn: AbstractSet[str]) -> SelectionRow:
    """Return the row of a pair.

    Args:
        pair: The pair.
        measure: The measures of the pair.
        drawn: The ids that `draw` returned.

    Returns:
        The row; it is kept if the pair was drawn.

    Raises:
        ValueError: The measures are those of another pair.
    """
    reason = None if pair.id in drawn else CLUSTER_NOT_DRAWN.name
    return measured_row(pair, measure, reason)


def decisions(context: StageContext[SelectSettings]) -> Decisions:
    """Return the decisions by the vectors of the measure stage."""
    clustered = ((id_, cluster) for id_, cluster, _ in clustered_pairs(context))
    drawn = draw(clustered, context.settings.random_seed, context.step.id)
    return lambda: (decide(*both, drawn) for both in measured_pairs(context))
