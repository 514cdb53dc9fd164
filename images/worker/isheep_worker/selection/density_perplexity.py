"""DensityPerplexity: the pair with the lowest perplexity of each cluster is kept (Table 3).

The perplexity is that of the whole pair, prompt and response, because the clusters are clusters of
whole pairs. If two pairs have the same perplexity, the pair with the lower id is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.rows.schema import MeasureRow, PairRow, SelectionRow
from isheep_worker.rules.drop_reasons import CLUSTER_PERPLEXITY
from isheep_worker.selection.interface import Decisions
from isheep_worker.selection.measured import clustered_pairs, measured_pairs, measured_row


def likeliest(clustered: Iterable[tuple[str, int, float]]) -> frozenset[str]:
    """Return the id of the pair with the lowest loss of each cluster.

    Args:
        clustered: The ids of pairs with the numbers of their clusters and their losses in nats per
            token, in any order.

    Returns:
        One id for each cluster.
    """
    best: dict[int, tuple[float, str]] = {}
    for id_, cluster, loss in clustered:
        best[cluster] = min(best.get(cluster, (loss, id_)), (loss, id_))
    return frozenset(id_ for _, id_ in best.values())


def decide(pair: PairRow, measure: MeasureRow, chosen: AbstractSet[str]) -> SelectionRow:
    """Return the row of a pair.

    Args:
        pair: The pair.
        measure: The measures of the pair.
        chosen: The ids that `likeliest` returned.

    Returns:
        The row; it is kept if the pair was chosen.

    Raises:
        ValueError: The measures are those of another pair.
    """
    reason = None if pair.id in chosen else CLUSTER_PERPLEXITY.name
    return measured_row(pair, measure, reason)


def decisions(context: StageContext[SelectSettings]) -> Decisions:
    """Return the decisions by the vectors and losses of the measure stage."""
    chosen = likeliest(clustered_pairs(context))
    return lambda: (decide(*both, chosen) for both in measured_pairs(context))
