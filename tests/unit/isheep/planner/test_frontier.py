"""The frontier: told in 2,048 bytes, and never believed further than it is known."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

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

from .world import prepared_for, spec_with

RECIPE = RECIPES["ISheep"]
VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
PREPARED = prepared_for()


def spec_of(iterations: int) -> SelfAlignmentRunSpec:
    return SelfAlignmentRunSpec.read(spec_with(iterations=iterations, instructions={"count": 1000}))


def statistics_of(stage: Stage) -> Statistics:
    """Three rounds an iteration."""
    if stage.kind is StageKind.CURATE:
        return {"accepted": float(min(1000, 334 * (stage.round or 0))), "new": 300.0}
    if stage.kind is StageKind.SELECT:
        return {"kept": 123.0, "meanScore": 8.123456789, "pairs": 1000.0}
    if stage.kind is StageKind.TRAIN:
        return {"samples": 100.0, "trainLoss": 1.23456789}
    return {"tokens": 5.0}


def full(iterations: int) -> Walk:
    return walk(
        RECIPE, spec_of(iterations), PREPARED, VERSIONS, lambda stage, _key: statistics_of(stage)
    )


def store_of(made: Walk, without: Collection[str] = ()) -> dict[str, Statistics]:
    return {made.keys[s.id]: statistics_of(s) for s in made.stages if s.id not in without}


def sent(frontier: Frontier) -> Frontier:
    """Return a frontier as it arrives."""
    text = dump_result(StageResult(outcome=Outcome.COMMITTED, prepared=PREPARED, frontier=frontier))
    assert len(text.encode()) <= RESULT_MAX_BYTES
    result = parse_result(text)
    assert result is not None
    return result.frontier or Frontier()


def known(iterations: int, store: dict[str, Statistics]) -> Frontier:
    return known_stages(RECIPE, spec_of(iterations), PREPARED, VERSIONS, store.get)


def expanded(iterations: int, frontier: Frontier) -> dict[StageRef, Statistics]:
    return expand(frontier, RECIPE, spec_of(iterations), PREPARED, VERSIONS)


def test_all_of_a_run_comes_back_with_what_matters() -> None:
    made = full(2)
    frontier = known(2, store_of(made))
    found = expanded(2, sent(frontier))
    counted = [s for s in made.stages if s.kind not in ("prepare", "report")]
    assert frontier.count == len(counted)
    assert list(found) == [StageRef(s.id, made.keys[s.id]) for s in counted]
    figures = {ref.id: statistics for ref, statistics in found.items()}
    assert figures["i1/curate/r3"] == {"accepted": 1000.0}
    assert figures["i2/select"] == {"kept": 123.0, "meanScore": 8.1235}
    # evalLoss was not measured.
    assert figures["i2/train"] == {"samples": 100.0, "trainLoss": 1.2346}
    assert figures["i1/respond"] == {}


def test_an_empty_store_has_an_empty_frontier() -> None:
    assert known(2, {}) == Frontier()
    assert expanded(2, sent(Frontier())) == {}


@settings(deadline=None)
@given(iterations=st.integers(1, 4), data=st.data())
def test_a_hole_ends_the_frontier(iterations: int, data: st.DataObject) -> None:
    made = full(iterations)
    ids = [s.id for s in made.stages if s.kind not in ("prepare", "report")]
    holes = data.draw(st.sets(st.sampled_from(ids), max_size=3))
    found = expanded(iterations, sent(known(iterations, store_of(made, holes))))
    leading = next((i for i, stage in enumerate(ids) if stage in holes), len(ids))
    assert [ref.id for ref in found] == ids[:leading]


@pytest.mark.parametrize("iterations", [14, 20])
def test_a_frontier_that_was_cut_names_only_what_it_knows(iterations: int) -> None:
    made = full(iterations)
    frontier = known(iterations, store_of(made))
    arrived = sent(frontier)
    assert arrived.count == frontier.count
    assert len(arrived.statistics) < len(frontier.statistics)
    found = expanded(iterations, arrived)
    ids = [s.id for s in made.stages if s.kind not in ("prepare", "report")]
    assert [ref.id for ref in found] == ids[: len(found)]
    assert all(ref.key == made.keys[ref.id] for ref in found)
    # It ends before the first stage that decides and whose figures were cut.
    following = next(s for s in made.stages if s.id == ids[len(found)])
    assert following.kind in (StageKind.CURATE, StageKind.SELECT, StageKind.TRAIN)
    assert following.id not in arrived.statistics
    assert {f"i{t}/merge" for t in range(1, 4)} <= {ref.id for ref in found}


@settings(deadline=None)
@given(
    count=st.integers(0, 60),
    kept=st.sets(st.sampled_from(sorted(known(3, store_of(full(3))).statistics))),
)
def test_whatever_is_cut_no_key_is_guessed(count: int, kept: set[str]) -> None:
    made = full(3)
    frontier = known(3, store_of(made))
    cut = Frontier(
        count=count, statistics={k: v for k, v in frontier.statistics.items() if k in kept}
    )
    found = expanded(3, cut)
    assert len(found) <= count
    ids = [s.id for s in made.stages if s.kind not in ("prepare", "report")]
    assert [ref.id for ref in found] == ids[: len(found)]
    assert all(made.keys[ref.id] == ref.key for ref in found)


def test_a_store_is_asked_once_for_each_stage_and_not_after_the_first_hole() -> None:
    made = full(2)
    store = store_of(made, {"i1/respond"})
    asked: list[Any] = []

    def exists(key: str) -> Statistics | None:
        asked.append(key)
        return store.get(key)

    known_stages(RECIPE, spec_of(2), PREPARED, VERSIONS, exists)
    ids = ["generate/r1", "curate/r1", "generate/r2", "curate/r2", "generate/r3", "curate/r3"]
    assert asked == [made.keys[f"i1/{i}"] for i in (*ids, "respond")]
