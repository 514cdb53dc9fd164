"""The frontier: it fits into 2,048 bytes, and it expands to known stages only.

A termination message has 2,048 bytes, so a frontier can arrive without some of its statistics.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import (
    RESULT_MAX_BYTES,
    Frontier,
    Outcome,
    StageResult,
    dump_result,
    parse_result,
)
from isheep.planner.frontier import expand, known_stages
from isheep.planner.types import StageRef
from isheep.planner.walk import Walk, walk
from isheep.recipes.interface import Stage, Statistics
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind

from .prepared_inputs import prepared_for
from .simulation import spec_with

RECIPE = RECIPES["ISheep"]
VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
PREPARED = prepared_for()


@cache
def spec_of(iterations: int) -> SelfAlignmentRunSpec:
    return SelfAlignmentRunSpec.read(spec_with(iterations=iterations, instructions={"count": 1000}))


def statistics_of(stage: Stage) -> Statistics:
    """Return the statistics of a stage in a run with three rounds in each iteration."""
    if stage.kind is StageKind.CURATE:
        return {"accepted": float(min(1000, 334 * (stage.round or 0))), "new": 300.0}
    if stage.kind is StageKind.SELECT:
        return {"kept": 123.0, "meanScore": 8.123456789, "pairs": 1000.0}
    if stage.kind is StageKind.TRAIN:
        return {"samples": 100.0, "trainLoss": 1.23456789}
    return {"tokens": 5.0}


@cache
def full_walk(iterations: int) -> Walk:
    """Return the walk through all stages of a run."""
    return walk(
        RECIPE, spec_of(iterations), PREPARED, VERSIONS, lambda stage, _key: statistics_of(stage)
    )


def store_of(walked: Walk, without: Collection[str] = ()) -> dict[str, Statistics]:
    """Return the statistics of the stages of a walk by key, without some stages."""
    return {walked.keys[s.id]: statistics_of(s) for s in walked.stages if s.id not in without}


def received(frontier: Frontier) -> Frontier:
    """Return a frontier after its way through a termination message."""
    text = dump_result(StageResult(outcome=Outcome.COMMITTED, prepared=PREPARED, frontier=frontier))
    assert len(text.encode()) <= RESULT_MAX_BYTES
    result = parse_result(text)
    assert result is not None
    return result.frontier or Frontier()


def known_frontier(iterations: int, store: dict[str, Statistics]) -> Frontier:
    return known_stages(RECIPE, spec_of(iterations), PREPARED, VERSIONS, store.get)


def expanded(iterations: int, frontier: Frontier) -> dict[StageRef, Statistics]:
    return expand(frontier, RECIPE, spec_of(iterations), PREPARED, VERSIONS)


def test_the_frontier_of_a_complete_run_has_all_its_stages_and_the_figures_that_decide() -> None:
    walked = full_walk(2)
    frontier = known_frontier(2, store_of(walked))
    found = expanded(2, received(frontier))
    counted = [s for s in walked.stages if s.kind not in ("prepare", "report")]
    assert frontier.count == len(counted)
    assert list(found) == [StageRef(s.id, walked.keys[s.id]) for s in counted]
    figures = {ref.id: statistics for ref, statistics in found.items()}
    assert figures["i1/curate/r3"] == {"accepted": 1000.0}
    assert figures["i2/select"] == {"kept": 123.0, "meanScore": 8.1235}
    # evalLoss was not measured, so it is absent.
    assert figures["i2/train"] == {"samples": 100.0, "trainLoss": 1.2346}
    assert figures["i1/respond"] == {}


def test_an_empty_store_has_an_empty_frontier() -> None:
    assert known_frontier(2, {}) == Frontier()
    assert expanded(2, received(Frontier())) == {}


@settings(deadline=None)
@given(iterations=st.integers(1, 4), data=st.data())
def test_the_frontier_ends_before_the_first_missing_stage(
    iterations: int, data: st.DataObject
) -> None:
    walked = full_walk(iterations)
    ids = [s.id for s in walked.stages if s.kind not in ("prepare", "report")]
    missing = data.draw(st.sets(st.sampled_from(ids), max_size=3))
    found = expanded(iterations, received(known_frontier(iterations, store_of(walked, missing))))
    first_missing = next((i for i, stage in enumerate(ids) if stage in missing), len(ids))
    assert [ref.id for ref in found] == ids[:first_missing]


@pytest.mark.parametrize("iterations", [14, 20])
def test_a_frontier_without_some_statistics_expands_to_known_stages_only(iterations: int) -> None:
    walked = full_walk(iterations)
    frontier = known_frontier(iterations, store_of(walked))
    arrived = received(frontier)
    assert arrived.count == frontier.count
    assert len(arrived.statistics) < len(frontier.statistics)
    found = expanded(iterations, arrived)
    ids = [s.id for s in walked.stages if s.kind not in ("prepare", "report")]
    assert [ref.id for ref in found] == ids[: len(found)]
    assert all(ref.key == walked.keys[ref.id] for ref in found)
    # The expansion ends before the first stage whose figures decide about the rest but were cut.
    following = next(s for s in walked.stages if s.id == ids[len(found)])
    assert following.kind in (StageKind.CURATE, StageKind.SELECT, StageKind.TRAIN)
    assert following.id not in arrived.statistics
    assert {f"i{t}/merge" for t in range(1, 4)} <= {ref.id for ref in found}


@settings(deadline=None)
@given(
    count=st.integers(0, 60),
    kept=st.sets(st.sampled_from(sorted(known_frontier(3, store_of(full_walk(3))).statistics))),
)
def test_every_key_is_correct_if_any_statistics_are_cut(count: int, kept: set[str]) -> None:
    walked = full_walk(3)
    frontier = known_frontier(3, store_of(walked))
    cut = Frontier(
        count=count, statistics={k: v for k, v in frontier.statistics.items() if k in kept}
    )
    found = expanded(3, cut)
    assert len(found) <= count
    ids = [s.id for s in walked.stages if s.kind not in ("prepare", "report")]
    assert [ref.id for ref in found] == ids[: len(found)]
    assert all(walked.keys[ref.id] == ref.key for ref in found)


def test_the_store_is_read_once_for_each_stage_up_to_the_first_missing_one() -> None:
    walked = full_walk(2)
    store = store_of(walked, {"i1/respond"})
    keys: list[str] = []

    def lookup(key: str) -> Statistics | None:
        keys.append(key)
        return store.get(key)

    known_stages(RECIPE, spec_of(2), PREPARED, VERSIONS, lookup)
    ids = ["generate/r1", "curate/r1", "generate/r2", "curate/r2", "generate/r3", "curate/r3"]
    assert keys == [walked.keys[f"i1/{i}"] for i in (*ids, "respond")]
