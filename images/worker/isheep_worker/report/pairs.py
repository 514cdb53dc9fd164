"""The pairs of an iteration that the report shows, and the scores of kept and dropped pairs.

The shown pairs are drawn at random from the kept pairs, from the pairs of each reason for a drop,
and from those that are nearest to the threshold. The draw follows a hash of each pair, so that each
report on the same pairs shows the same ones. One pass over the rows is enough, and memory holds
only the pairs that are drawn so far.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import get_args

from isheep.contract.choices import Level
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import SelectionRow
from isheep_worker.rules.drop_reasons import SELECTION_REASONS
from isheep_worker.scoring.statistics import score_bin

KEPT = "kept"
BORDERLINE = "borderline"
SHOWN_KEPT = 8
SHOWN_OF_A_REASON = 5
SHOWN_BORDERLINE = 4
"""Of these pairs, as many are kept as are dropped, if there are enough."""

Distance = Callable[[Mapping[str, float]], float]
"""Returns how far the scores of a pair are from the threshold."""


@dataclass(frozen=True, slots=True)
class PairGroup:
    """Some of the `total` pairs with one name: `kept`, `borderline` or the reason of a drop."""

    name: str
    total: int
    pairs: tuple[SelectionRow, ...]


@dataclass(frozen=True, slots=True)
class LevelScores:
    """The scores of kept and dropped pairs on one level: numbers of the scores 1 to 10, and means.

    A pair without a score is in no number. A mean is None if no pair has a score.
    """

    level: str
    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    mean_kept: float | None
    mean_dropped: float | None


@dataclass(frozen=True, slots=True)
class PairFigures:
    """The pairs to show by group, and the scores of all pairs by level."""

    groups: tuple[PairGroup, ...]
    levels: tuple[LevelScores, ...]


def distance_of(settings: Mapping[str, object]) -> Distance | None:
    """Return how to measure the distance of a pair from the threshold.

    Args:
        settings: The settings of the select stage, as its manifest has them.

    Returns:
        The function; None if the method has no threshold.
    """
    threshold, perplexity = settings.get("threshold"), settings.get("maxPerplexity")
    if settings.get("method") == "SelfAssessment" and isinstance(threshold, int | float):
        return lambda scores: abs(min(scores.values()) - threshold)
    if settings.get("method") == "Perplexity" and isinstance(perplexity, int | float):
        return lambda scores: abs(math.log(max(scores.values()) / perplexity))
    return None


def pair_figures(
    rows: Iterable[SelectionRow], random_seed: int, distance: Distance | None = None
) -> PairFigures:
    """Return the figures of an iteration's pairs.

    Args:
        rows: All pairs of the iteration, in any order.
        random_seed: The run's random seed.
        distance: How far a pair is from the threshold; None if there is no threshold.
    """
    groups: dict[str, _Lowest] = {KEPT: _Lowest(SHOWN_KEPT)}
    near = {kept: _Lowest(SHOWN_BORDERLINE) for kept in (True, False)}
    levels: dict[str, _Scores] = {}
    for row in rows:
        drawn = item_seed(random_seed, "report", row.id)
        name = KEPT if row.kept else str(row.reason)
        groups.setdefault(name, _Lowest(SHOWN_OF_A_REASON)).offer((drawn,), row)
        for level, score in row.scores.items():
            if level in get_args(Level):
                levels.setdefault(level, _Scores()).add(score, kept=row.kept)
        if distance is not None and row.scores and (row.kept or row.reason in SELECTION_REASONS):
            near[row.kept].offer((distance(row.scores), drawn), row)
    found = [_group(name, lowest) for name, lowest in groups.items() if lowest.total]
    nearest = (*near[True].rows(), *near[False].rows())
    if nearest:
        found.append(PairGroup(BORDERLINE, near[True].total + near[False].total, nearest))
    return PairFigures(
        tuple(sorted(found, key=_place)),
        tuple(scores.figures(level) for level, scores in levels.items()),
    )


def _group(name: str, lowest: _Lowest) -> PairGroup:
    return PairGroup(name, lowest.total, lowest.rows())


def _place(group: PairGroup) -> tuple[int, int, str]:
    """Return the place of a group: kept, borderline, then the reasons with most pairs first."""
    first = {KEPT: 0, BORDERLINE: 1}.get(group.name, 2)
    return (first, -group.total, group.name)


class _Lowest:
    """The rows with the lowest keys among those offered, and the number of rows offered."""

    def __init__(self, size: int) -> None:
        self.total = 0
        self._size = size
        self._order = count()
        self._heap: list[tuple[tuple[float, ...], int, SelectionRow]] = []

    def offer(self, key: Sequence[float], row: SelectionRow) -> None:
        """Take a row if its key is among the lowest ones so far."""
        self.total += 1
        # heapq removes the lowest entry, so the keys are negative.
        entry = (tuple(-value for value in key), next(self._order), row)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        elif entry[0] > self._heap[0][0]:
            heapq.heapreplace(self._heap, entry)

    def rows(self) -> tuple[SelectionRow, ...]:
        """Return the rows, the lowest key first."""
        return tuple(row for _, _, row in sorted(self._heap, reverse=True, key=lambda one: one[0]))


@dataclass(slots=True)
class _Scores:
    """The scores of one level so far, of kept (True) and dropped (False) pairs."""

    bins: dict[bool, Counter[int]] = field(
        default_factory=lambda: {True: Counter(), False: Counter()}
    )
    sums: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})

    def add(self, score: float, *, kept: bool) -> None:
        self.bins[kept][score_bin(score)] += 1
        self.sums[kept] += score

    def figures(self, level: str) -> LevelScores:
        return LevelScores(
            level,
            self._numbers(kept=True),
            self._numbers(kept=False),
            self._mean(kept=True),
            self._mean(kept=False),
        )

    def _numbers(self, *, kept: bool) -> tuple[int, ...]:
        return tuple(self.bins[kept][score] for score in range(1, 11))

    def _mean(self, *, kept: bool) -> float | None:
        scored = self.bins[kept].total()
        return self.sums[kept] / scored if scored else None
