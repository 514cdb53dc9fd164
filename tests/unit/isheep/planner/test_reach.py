"""The stages that an attempt may reach, and which runs share them."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.status import StageFailure, StageRecord
from isheep.contract.choices import WalkGrouping
from isheep.planner.reach import reached

from .scenarios import run_until
from .simulation import PlannerSimulation, make_run, spec_with

STAGES = [
    *("i1/generate/r1", "i1/curate/r1", "i1/respond", "i1/assess", "i1/select", "i1/train"),
    *("i1/merge", "i1/report", "i2/generate/r1", "i2/curate/r1", "i2/respond", "i2/assess"),
    *("i2/select", "i2/train", "i2/merge", "i2/report"),
]
FIRST = "i1/generate/r1"


def resolved(**changes: Any) -> Any:
    simulation = PlannerSimulation(make_run(spec_with(iterations=2, **changes)))
    run_until(simulation, FIRST)
    return simulation.run.status.resolved


RESOLVED = resolved()
KEYS = {stage: reached(RESOLVED, (), stage, "PerStage") for stage in STAGES}


def named(keys: frozenset[str]) -> list[str]:
    """Return the stages of expected keys, in order."""
    found = [stage for stage, own in KEYS.items() if own <= keys]
    assert len(found) == len(keys)
    return found


def committed(*stages: str) -> list[StageRecord]:
    return [StageRecord(id=stage, key="k", committed=True) for stage in stages]


@pytest.mark.parametrize(
    ("first", "grouping", "done", "expected"),
    [
        (FIRST, "Run", 0, STAGES),
        ("i1/curate/r1", "Run", 1, STAGES),
        # While the iteration can have another round or lacks scores, its rounds are included.
        ("i1/assess", "Run", 3, ["i1/generate/r1", "i1/curate/r1", *STAGES[3:]]),
        ("i1/select", "Run", 4, STAGES[4:]),
        ("i1/generate/r3", "Run", 0, STAGES),
        ("i2/train", "Run", 13, STAGES[13:]),
        (FIRST, "PerRole", 0, STAGES[:3]),
        ("i1/assess", "PerRole", 3, ["i1/assess"]),
        ("i1/train", "PerRole", 5, ["i1/train"]),
        (FIRST, "Joined", 0, STAGES[:4]),
        ("i2/respond", "Joined", 10, STAGES[8:12]),
        ("i2/respond", "PerStage", 10, ["i2/respond"]),
        ("i1/generate/r2", "PerStage", 2, ["i1/generate/r1"]),
        ("prepare", "Run", 0, []),
    ],
)
def test_what_an_attempt_may_reach(
    first: str, grouping: WalkGrouping, done: int, expected: list[str]
) -> None:
    assert named(reached(RESOLVED, committed(*STAGES[:done]), first, grouping)) == expected


def test_a_stage_that_has_failed_finally_is_not_reached() -> None:
    failed = StageRecord(id="i1/assess", key="k", failure=StageFailure(reason="Defect"))
    records = [*committed(*STAGES[:3]), failed]
    assert named(reached(RESOLVED, records, "i1/select", "Run")) == STAGES[4:]


def test_before_prepare_has_committed_nothing_is_known() -> None:
    assert reached(None, (), FIRST, "Run") == frozenset()
    assert reached({**RESOLVED, "prepared": None}, (), FIRST, "Run") == frozenset()


@pytest.mark.parametrize(
    "edited",
    [
        {"prepared": {}},
        {"prepared": RESOLVED["prepared"]},
        {**RESOLVED, "spec": {"recipe": "Unknown"}},
        {**RESOLVED, "spec": {"iterations": "many"}},
    ],
)
def test_a_status_that_somebody_has_edited_reaches_nothing(edited: dict[str, Any]) -> None:
    assert reached(edited, (), FIRST, "Run") == frozenset()


def test_a_status_of_an_older_operator_lacks_the_versions_of_newer_kinds() -> None:
    versions = {k: v for k, v in RESOLVED["stageVersions"].items() if k != "measure"}
    older = {**RESOLVED, "stageVersions": versions}
    assert reached(older, (), FIRST, "Run") == reached(RESOLVED, (), FIRST, "Run")


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({}, STAGES),
        ({"activeDeadlineSeconds": 100}, STAGES),
        ({"iterations": 1}, STAGES[:7]),
        ({"training": {"learningRate": 0.001}}, STAGES[:5]),
        ({"selection": {"threshold": 2}}, STAGES[:4]),
        ({"assessment": {"rubric": "Simple"}}, STAGES[:3]),
        ({"instructions": {"count": 41}}, []),
    ],
)
def test_two_runs_share_the_stages_with_equal_settings_and_inputs(
    changes: dict[str, Any], shared: list[str]
) -> None:
    spec = spec_with(**{"iterations": 2, **changes})
    simulation = PlannerSimulation(make_run(spec))
    run_until(simulation, FIRST)
    other = reached(simulation.run.status.resolved, (), FIRST, "Run")
    mine = reached(RESOLVED, (), FIRST, "Run")
    assert named(mine & other) == shared
    # The keys of one run are those of the other for exactly these stages, too.
    whole, one = (PlannerSimulation(make_run(s)) for s in (spec_with(iterations=2), spec))
    keys = [{r.id: r.key for r in s.run_to_end().stages} for s in (whole, one)]
    same = {stage for stage, key in keys[0].items() if keys[1].get(stage) == key}
    assert {stage for stage in same if stage in STAGES} == set(shared)


def test_the_decisions_of_a_run_do_not_change_its_expected_keys() -> None:
    later = {**RESOLVED, "writers": [0, 0]}
    assert reached(later, (), FIRST, "Run") == reached(RESOLVED, (), FIRST, "Run")


@pytest.mark.parametrize("first", ["i0/evaluate/yardstick", "i1/evaluate/yardstick"])
def test_a_job_that_begins_with_a_measurement_reaches_all_later_stages(first: str) -> None:
    """M(t) is measured in iteration t + 1."""
    measured = resolved(yardstick={"items": 40})
    (own,) = reached(measured, (), first, "PerStage")
    later = reached(measured, (), "i2/generate/r1", "PerStage")
    others = {f"i{t}/evaluate/yardstick" for t in range(3)} - {first}
    assert all(own not in reached(measured, (), other, "PerStage") for other in others)
    assert {own, *later} <= reached(measured, (), first, "Run")
