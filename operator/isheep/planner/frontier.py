"""The frontier: how much of a run exists already, told in one result of 2,048 bytes.

Only a worker can see the store, and only the planner decides. So prepare walks the
recipe over the store (`known_stages`) and sends how far it came, with the few
figures on which later stages depend; the planner walks the same recipe over that
answer (`expand`) and so has every key without having been told one. A run whose
results exist, in part or in full, starts no Job to find that out stage by stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Frontier, Prepared
from isheep.planner.types import StageRef
from isheep.planner.walk import walk
from isheep.recipes.interface import (
    ESSENTIAL_STATISTICS,
    Recipe,
    Stage,
    StageKind,
    Statistics,
)

DIGITS = 4
"""Decimals of a figure in a frontier: enough for people, and for what is decided by counts."""

NOT_COUNTED = (StageKind.PREPARE, StageKind.REPORT)
"""prepare is what tells the frontier; a report shows one spec only and nothing is built on it."""


def known_stages(
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    prepared: Prepared,
    versions: Mapping[str, int],
    exists: Callable[[str], Statistics | None],
) -> Frontier:
    """Return the leading stages that exist; `exists` reads a key's manifest's statistics.

    It is asked once for each stage, in order, and not again after the first None.
    """
    count = 0
    ended = False
    figures: dict[str, tuple[float | None, ...]] = {}

    def lookup(stage: Stage, key: str) -> Statistics | None:
        nonlocal count, ended
        if ended or stage.kind in NOT_COUNTED:
            return None
        statistics = exists(key)
        if statistics is None:
            ended = True
            return None
        count += 1
        if names := ESSENTIAL_STATISTICS.get(stage.kind):
            figures[stage.id] = tuple(_rounded(statistics.get(name)) for name in names)
        return statistics

    walk(recipe, spec, prepared, versions, lookup)
    return Frontier(count=count, statistics=figures)


def expand(
    frontier: Frontier,
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    prepared: Prepared,
    versions: Mapping[str, int],
) -> dict[StageRef, Statistics]:
    """Return the stages that a frontier says exist, with their essential statistics.

    A frontier that was cut to fit its message names fewer than it counts: the walk
    ends where the figures do, and what it does not name is found later.
    """
    found: dict[StageRef, Statistics] = {}
    ended = False

    def lookup(stage: Stage, key: str) -> Statistics | None:
        nonlocal ended
        if stage.kind in NOT_COUNTED:
            return None
        names = ESSENTIAL_STATISTICS.get(stage.kind, ())
        values = frontier.statistics.get(stage.id)
        ended = ended or len(found) >= frontier.count or (bool(names) and not values)
        if ended:
            return None
        statistics = {n: v for n, v in zip(names, values or (), strict=False) if v is not None}
        found[StageRef(stage.id, key)] = statistics
        return statistics

    walk(recipe, spec, prepared, versions, lookup)
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
