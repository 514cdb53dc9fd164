"""Whether the assessor's scores mean something: do pairs get higher scores than their controls?

For each kind of control and each level: the probability that a pair has a higher score than a
control, with an interval. A value near 0.5 says that the assessor does not see this damage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from isheep.contract.choices import ControlKind
from isheep_worker.controls.drawing import pair_and_kind
from isheep_worker.controls.registry import CONTROLS
from isheep_worker.rows.schema import ScoreRow
from isheep_worker.statistics.interface import Interval
from isheep_worker.statistics.separation import MIN_ITEMS, separation


@dataclass(frozen=True, slots=True)
class ControlFigures:
    """The separation of pairs and controls of one kind at one level.

    `pairs` is the number of pairs that have both scores, and `unread` the number of controls
    without a score. `area` and `interval` are None if there are fewer than 50 pairs.
    """

    kind: ControlKind
    meaning: str
    level: str
    pairs: int
    unread: int
    mean_pair: float | None
    mean_control: float | None
    area: float | None
    interval: Interval | None

    @property
    def verdict(self) -> str:
        """What the figures say, in one sentence."""
        if self.interval is None:
            return f"too few items ({self.pairs}, and {MIN_ITEMS} are needed)"
        if self.interval.low > 0.5:
            return "the scores see this damage"
        if self.interval.high < 0.5:
            return "the damaged responses have the higher scores"
        return "the scores do not see this damage"


def control_figures(
    pairs: Iterable[ScoreRow], controls: Iterable[ScoreRow], seed: int
) -> tuple[ControlFigures, ...]:
    """Return the figures of each kind and level, in the order of the registry.

    Args:
        pairs: The scores of the pairs.
        controls: The scores of the controls.
        seed: The random seed of the intervals.
    """
    rows = list(controls)
    wanted = {pair_and_kind(row.id)[0] for row in rows}
    scores = {row.id: row for row in pairs if row.id in wanted}
    levels = _levels(rows)
    return tuple(_figures(kind, level, scores, rows, seed) for kind in CONTROLS for level in levels)


def _levels(rows: Iterable[ScoreRow]) -> list[str]:
    return list(dict.fromkeys(level for row in rows for level in row.levels))


def _figures(
    kind: ControlKind, level: str, scores: dict[str, ScoreRow], rows: list[ScoreRow], seed: int
) -> ControlFigures:
    first, second, unread = [], [], 0
    for row in rows:
        pair, of_kind = pair_and_kind(row.id)
        if of_kind != kind or level not in row.levels:
            continue
        control = row.levels[level].score
        before = scores[pair].levels[level].score if pair in scores else None
        if control is None or before is None:
            unread += 1
            continue
        first.append(before)
        second.append(control)
    found = separation(first, second, np.random.default_rng(seed))
    return ControlFigures(
        kind,
        CONTROLS[kind].meaning,
        level,
        len(first),
        unread,
        float(np.mean(first)) if first else None,
        float(np.mean(second)) if second else None,
        found.area,
        found.interval,
    )
