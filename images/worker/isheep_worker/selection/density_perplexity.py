"""DensityPerplexity: of each cluster of pairs the likeliest is kept (Table 3).

The likeliest as a whole, prompt and response: a cluster is of whole pairs, too. Of two
that are equally likely the one with the lower id is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from isheep_worker.rows.schema import MeasureRow, PairRow, SelectionRow
from isheep_worker.selection.interface import measured_row


def likeliest(clustered: Iterable[tuple[str, int, float]]) -> frozenset[str]:
    """Return one id of each cluster, from ids with their clusters' numbers and pairs' losses."""
    best: dict[int, tuple[float, str]] = {}
    for id_, cluster, loss in clustered:
        best[cluster] = min(best.get(cluster, (loss, id_)), (loss, id_))
    return frozenset(id_ for _, id_ in best.values())


def decide(pair: PairRow, measure: MeasureRow, chosen: AbstractSet[str]) -> SelectionRow:
    """Return a pair's row: kept if no pair of its cluster is likelier."""
    return measured_row(pair, measure, None if pair.id in chosen else "cluster:perplexity")
