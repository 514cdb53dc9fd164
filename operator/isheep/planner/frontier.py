"""The frontier: how many leading stages of a run exist already, in one result of 2,048 bytes.

Only a worker can read the store, and only the planner decides. So prepare walks the recipe over
the store (`known_stages`) and reports the number of stages that exist, with the statistics that
later stages depend on. The planner walks the same recipe over that report (`expand`) and computes
every key again. A run whose results exist needs no Job per stage to find them.

Optional stages, such as the measurement of a model, may be missing between the others.

A Job that walks through several stages reports them in the same form (`walk_frontier`), counted
from its first stage. So the result of a Job with any number of rounds fits into its message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Frontier
from isheep.contract.prepared import Prepared
from isheep.planner.job_stages import keys_digest
from isheep.planner.types import StageRef
from isheep.planner.walk import Lookup, Walk, walk
from isheep.recipes.interface import Recipe, Stage, Statistics, has_failed
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS

WALK_BYTES = 1400
"""The largest size of the statistics in the frontier of a walk, as JSON. So a Job of a whole run
with many iterations has a result that fits into its message."""
DIGITS = 4
"""Decimals of a statistic in a frontier: enough for people and for decisions on counts."""


def known_stages(
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    prepared: Prepared,
    versions: Mapping[str, int],
    exists: Callable[[str], Statistics | None],
) -> Frontier:
    """Return the leading stages that exist; `exists` returns the statistics in a key's manifest.

    The walk calls it once for each stage, in order, and not again after the first None for a stage
    that is not optional.
    """
    count = 0
    ended = False
    figures: dict[str, tuple[float | None, ...]] = {}

    def lookup(stage: Stage, key: str) -> Statistics | None:
        nonlocal count, ended
        if ended or not STAGE_DEFINITIONS[stage.kind].adoptable:
            return None
        statistics = exists(key)
        if statistics is None:
            # No other stage depends on an optional one, so the stages after it can exist.
            ended = not STAGE_DEFINITIONS[stage.kind].optional
            return None
        count += 1
        figures.update(_figures(stage, statistics))
        return statistics

    walk(recipe, spec, prepared, versions, lookup)
    return Frontier(count=count, statistics=figures)


def walk_frontier(stages: Sequence[Stage], walked: Walk) -> Frontier:
    """Return the leading stages of a Job that are committed, for the result of the Job.

    Stages whose statistics do not fit into the result are omitted, from the last one on. The
    operator then knows them from the reports during the Job, or the next Job finds them.

    Args:
        stages: The stages of the Job from the one with which it began, as far as they are known.
        walked: The walk that found the stages.
    """
    done: list[Stage] = []
    figures: dict[str, tuple[float | None, ...]] = {}
    for stage in _leading(stages, walked):
        longer = {**figures, **_figures(stage, walked.results[stage.id])}
        if len(json.dumps(longer)) > WALK_BYTES:
            break
        figures = longer
        done.append(stage)
    return Frontier(
        count=len(done),
        statistics=figures,
        first=stages[0].id,
        keys_digest=keys_digest(walked.keys[stage.id] for stage in done),
    )


def expand(
    frontier: Frontier,
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    prepared: Prepared,
    versions: Mapping[str, int],
    *,
    known: Lookup | None = None,
) -> dict[StageRef, Statistics]:
    """Return the stages that exist according to a frontier, with their essential statistics.

    A frontier that was cut to fit its message has statistics for fewer stages than it counts.
    The walk ends at the first stage without its statistics; later orders find the other stages.

    `known` returns the results of the stages before the first one of the frontier, and of optional
    stages that are not in it. If the frontier counts other keys, it is of another spec, and the
    result is empty.
    """
    found: dict[StageRef, Statistics] = {}
    begun = frontier.first is None
    ended = False

    def lookup(stage: Stage, key: str) -> Statistics | None:
        nonlocal begun, ended
        begun = begun or stage.id == frontier.first
        if not begun:
            return None if known is None else known(stage, key)
        if frontier.first is None and not STAGE_DEFINITIONS[stage.kind].adoptable:
            # prepare does not count reports. A walk counts those that it has made.
            return None
        if STAGE_DEFINITIONS[stage.kind].optional and stage.id not in frontier.statistics:
            # If the stage has failed finally, the keys of later stages depend on that.
            return None if known is None else known(stage, key)
        names = STAGE_DEFINITIONS[stage.kind].essential_statistics
        values = frontier.statistics.get(stage.id)
        ended = ended or len(found) >= frontier.count or (bool(names) and not values)
        if ended:
            return None
        statistics = {n: v for n, v in zip(names, values or (), strict=False) if v is not None}
        found[StageRef(stage.id, key)] = statistics
        return statistics

    walk(recipe, spec, prepared, versions, lookup)
    if frontier.keys_digest not in (None, keys_digest(ref.key for ref in found)):
        return {}
    return found


def _leading(stages: Sequence[Stage], walked: Walk) -> Iterator[Stage]:
    """Yield the stages before the first one that is not committed, optional stages excepted."""
    for stage in stages:
        result = walked.results.get(stage.id)
        if result is not None and not has_failed(result):
            yield stage
        elif not STAGE_DEFINITIONS[stage.kind].optional:
            return


def _figures(stage: Stage, statistics: Statistics) -> dict[str, tuple[float | None, ...]]:
    """Return what a frontier has of a stage: its essential statistics by its id, if it has any.

    An optional stage is always in it, because the count does not tell which of them exist.
    """
    definition = STAGE_DEFINITIONS[stage.kind]
    row = tuple(_rounded(statistics.get(name)) for name in definition.essential_statistics)
    return {stage.id: row} if row or definition.optional else {}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
