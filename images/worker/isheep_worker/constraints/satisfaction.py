"""Whether responses satisfy the constraints that their instructions state, by their self-score.

The check reads no score, so it shows what a score means: pairs with a higher score should satisfy
their constraints more often. Most instructions state no such constraint, and the patterns miss
some, so the figures describe a part of the pairs only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from isheep.contract.choices import Level
from isheep_worker.constraints.registry import stated_constraints
from isheep_worker.rows.schema import SelectionRow
from isheep_worker.statistics.interface import Interval
from isheep_worker.statistics.share_interval import share_interval

_LEVELS = get_args(Level)


@dataclass(frozen=True, slots=True)
class SatisfiedShare:
    """How many of the `pairs` pairs with a score at a level satisfy all of their constraints.

    `level` is "" and `score` None for all pairs that state a constraint, with or without a score.
    Scores are rounded to 1 to 10. `interval` is None for fewer than 30 pairs.
    """

    level: str
    score: int | None
    pairs: int
    satisfied: int
    interval: Interval | None

    @property
    def share(self) -> float:
        """The share of the pairs that satisfy all of their constraints."""
        return self.satisfied / self.pairs


def satisfied_shares(rows: Iterable[SelectionRow]) -> tuple[SatisfiedShare, ...]:
    """Return the shares: of all pairs, and then of each score of each level.

    Args:
        rows: The pairs of an iteration, kept or not; they are read once.

    Returns:
        The shares; none if no instruction states a constraint.
    """
    pairs: Counter[tuple[str, int | None]] = Counter()
    satisfied: Counter[tuple[str, int | None]] = Counter()
    for row in rows:
        constraints = stated_constraints(row.instruction)
        if not constraints:
            continue
        groups = [("", None), *_scores(row)]
        pairs.update(groups)
        if all(one.is_satisfied(row.response) for one in constraints):
            satisfied.update(groups)
    ordered = sorted(pairs, key=_order)
    return tuple(_share(group, pairs[group], satisfied[group]) for group in ordered)


def _scores(row: SelectionRow) -> list[tuple[str, int | None]]:
    """Return the levels with their rounded scores; a selection can store other values, too."""
    return [(level, round(row.scores[level])) for level in _LEVELS if level in row.scores]


def _order(group: tuple[str, int | None]) -> tuple[int, int]:
    level, score = group
    return (_LEVELS.index(level) + 1 if level else 0, score or 0)


def _share(group: tuple[str, int | None], pairs: int, satisfied: int) -> SatisfiedShare:
    level, score = group
    return SatisfiedShare(level, score, pairs, satisfied, share_interval(satisfied, pairs))
