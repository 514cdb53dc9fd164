"""Two runs of which one or both have one Job for the whole run: no stage is made twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from isheep.planner.peers import claims

from .scenarios import MINUTE, run_until
from .simulation import START, PlannerSimulation, make_run, spec_with
from .test_job_walks import ON_KUBERNETES

FIRST = "i1/generate/r1"
SCORED = 5
"""The stages of iteration 1 up to its scores, with two rounds: the last one is i1/assess."""


def pair(*, jobs: tuple[str, str] = ("Run", "Run"), **changes: Any) -> list[PlannerSimulation]:
    """Return an older and a younger run with one store; the younger one has these changes."""
    runs = []
    for number, (kind, changed) in enumerate(zip(jobs, ({}, changes), strict=True)):
        compute = {"jobs": "Run"} if kind == "Run" else {"inference": {"jobs": kind}}
        spec = spec_with(iterations=2, compute=compute, **changed)
        created = START + number * MINUTE
        run = make_run(spec, name=f"run-{number}", uid=f"uid-{number}", created=created)
        runs.append(PlannerSimulation(run, environment=ON_KUBERNETES))
    older, younger = runs
    younger.store, younger.committed = older.store, older.committed
    return runs


def look(simulation: PlannerSimulation, other: PlannerSimulation) -> list[str]:
    """Plan a run with the claims of the other one; return the stages that it has started."""
    simulation.peers = (claims(other.run, other.observed().attempts),)
    simulation.run_until_idle()
    return simulation.started


def prepared(simulation: PlannerSimulation, other: PlannerSimulation) -> None:
    look(simulation, other)
    simulation.complete(simulation.find("prepare"))


def reason(simulation: PlannerSimulation) -> str:
    return simulation.run.status.conditions[0].reason


def stages_made_twice(simulation: PlannerSimulation) -> list[str]:
    return [key for key, times in simulation.committed.items() if times > 1]


def test_a_run_with_the_same_settings_waits_for_the_whole_job() -> None:
    older, younger = pair()
    name = run_until(older, FIRST)
    prepared(younger, older)
    for count in range(30):
        older.report(name, count)
        older.run_pass()
        if all(record.committed for record in older.run.status.stages):
            break
        assert look(younger, older) == ["prepare"]
        assert reason(younger) == "WaitingForPeer"
    assert look(younger, older) == ["prepare", FIRST]
    older.complete(name)
    younger.complete(younger.find(FIRST))
    assert younger.run_to_end().phase == "Succeeded"
    assert not stages_made_twice(older)


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({"selection": {"threshold": 2}}, "i1/assess"),
        ({"training": {"learningRate": 0.001}}, "i1/select"),
    ],
)
def test_a_run_with_other_settings_waits_for_the_stages_that_both_need(
    changes: dict[str, Any], shared: str
) -> None:
    older, younger = pair(**changes)
    name = run_until(older, FIRST)
    prepared(younger, older)
    for count in range(30):
        older.report(name, count)
        older.run_pass()
        done = {record.id for record in older.run.status.stages if record.committed}
        waits = look(younger, older) == ["prepare"]
        assert waits == (shared not in done)
        if not waits:
            break
    else:
        raise AssertionError("the younger run waits for stages that it does not share")
    younger.complete(younger.find(FIRST))
    older.complete(name)
    assert not stages_made_twice(older)


def test_a_run_that_tries_again_waits_for_the_job_that_has_gone_ahead() -> None:
    older, younger = pair()
    name = run_until(older, FIRST)
    prepared(younger, older)
    older.fail(name, 137, only=SCORED)
    older.run_pass()
    assert look(younger, older) == ["prepare", FIRST]
    # Its pod adopts the inference and trains, and its operator does not know that yet.
    older.now += timedelta(hours=1)
    before = list(older.started)
    assert look(older, younger) == before
    assert reason(older) == "WaitingForPeer"
    younger.complete(younger.find(FIRST))
    look(younger, older)
    look(older, younger)
    assert older.run_to_end().phase == "Succeeded"
    assert not stages_made_twice(older)


@pytest.mark.parametrize("jobs", [("PerStage", "Run"), ("PerRole", "Run"), ("Joined", "Run")])
def test_a_run_with_a_job_for_each_stage_waits_for_the_job_of_a_whole_run(
    jobs: tuple[str, str],
) -> None:
    older, younger = pair(jobs=jobs)
    run_until(older, FIRST)
    prepared(younger, older)
    older.fail(run_until(older, "i1/select"), 137)
    older.run_pass()
    assert look(younger, older) == ["prepare", FIRST]
    older.now += timedelta(hours=1)
    before = list(older.started)
    assert look(older, younger) == before
    assert reason(older) == "WaitingForPeer"


def test_the_job_of_a_whole_run_does_not_begin_while_a_peer_is_ahead() -> None:
    older, younger = pair(jobs=("PerStage", "Run"))
    prepared(younger, older)
    for stage in ("i1/train", "i2/generate/r1", "i2/train"):
        run_until(older, stage)
        assert look(younger, older) == ["prepare"], stage
        assert reason(younger) == "WaitingForPeer"


def test_runs_that_have_stated_no_reach_keep_only_whole_runs_waiting() -> None:
    older, younger = pair(jobs=("PerStage", "Run"))
    run_until(older, "i1/train")
    prepared(younger, older)
    younger.peers = (claims(older.run, older.observed().attempts, reaches=False),)
    younger.run_until_idle()
    assert reason(younger) == "WaitingForPeer"
    other, third = pair(jobs=("PerStage", "PerStage"), selection={"threshold": 2})
    run_until(other, "i1/select")
    prepared(third, other)
    third.peers = (claims(other.run, other.observed().attempts, reaches=False),)
    third.run_until_idle()
    assert reason(third) == "Running"
