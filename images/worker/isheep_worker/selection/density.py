"""Density: of each cluster of pairs that are alike one is kept, at random (Table 3).

Many pairs that are much the same are one cluster, as a few odd ones are, so what is kept
is spread more evenly than what was generated. Each pair draws a number, a hash of its
id, and its cluster's lowest is kept: which one depends on the run's random seed and on
who is in the cluster, not on the order of arrival. The numbers are other ones than
those of Random, which would otherwise be no control: it would tend to the same pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import MeasureRow, PairRow, SelectionRow
from isheep_worker.selection.interface import measured_row


def draw(clustered: Iterable[tuple[str, int]], random_seed: int, stage_id: str) -> frozenset[str]:
    """Return one id of each cluster, from ids with the numbers of their clusters."""
    lowest: dict[int, tuple[int, str]] = {}
    for id_, cluster in clustered:
        drawn = (item_seed(random_seed, stage_id, f"{id_}/cluster"), id_)
        lowest[cluster] = min(lowest.get(cluster, drawn), drawn)
    return frozenset(id_ for _, id_ in lowest.values())


def decide(pair: PairRow, measure: MeasureRow, drawn: AbstractSet[str]) -> SelectionRow:
    """Return a pair's row: kept if it was drawn for its cluster."""
    return measured_row(pair, measure, None if pair.id in drawn else "cluster:not_drawn")
