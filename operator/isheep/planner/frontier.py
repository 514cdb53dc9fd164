"""The frontier: how many leading stages of a run exist already, in one result of 2,048 bytes.

Only a worker can read the store, and only the planner decides. So prepare walks the recipe over
the store (`known_stages`) and reports the number of stages that exist, with the statistics that
later stages depend on. The planner walks the same recipe over that report (`expand`) and computes
every key again. A run whose results exist needs no Job per stage to find them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Frontier, Prepared
from isheep.planner.types import StageRef
from isheep.planner.walk import walk
from isheep.recipes.interface import Recipe, Stage, Statistics
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind

DIGITS = 4
"""Decimals of a statistic in a frontier: enough for people and for decisions on counts."""

NOT_COUNTED = (StageKind.PREPARE, StageKind.REPORT)
"""prepare reports the frontier itself; no stage depends on a report, so every run makes its own."""


def known_stages(
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    prepared: Prepared,
    versions: Mapping[str, int],
    exists: Callable[[str], Statistics | None],
) -> Frontier:
    """Return the leading stages that exist; `exists` reads a key's manifest's statistics.

    The walk calls it once for each stage, in order, and not again after the first None.
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
        if names := STAGE_DEFINITIONS[stage.kind].essential_statistics:
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
    """Return the stages that exist according to a frontier, with their essential statistics.

    A frontier that was cut to fit its message has statistics for fewer stages than it counts.
    The walk ends at the first stage without its statistics; later orders find the other stages.
    """
    found: dict[StageRef, Statistics] = {}
    ended = False

    def lookup(stage: Stage, key: str) -> Statistics | None:
        nonlocal ended
        if stage.kind in NOT_COUNTED:
            return None
        names = STAGE_DEFINITIONS[stage.kind].essential_statistics
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
