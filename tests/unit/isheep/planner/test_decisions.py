"""Rules that decide how a run goes on: it stops, rolls back, or waits for what has failed."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.status import SelfAlignmentRunStatus
from isheep.planner.pinning import Resolved

from . import simulation as module
from .scenarios import conditions_of, run_until
from .simulated_statistics import statistics_of
from .simulation import PlannerSimulation, make_run, spec_with
from .test_job_walks import ON_KUBERNETES

STOP, ROLL_BACK = 1.0, 2.0
GROUPINGS = (
    {"inference": {"jobs": "PerStage"}},
    {"inference": {"jobs": "PerRole"}},
    {"inference": {"jobs": "Joined"}},
    {"jobs": "Run"},
)
by_grouping = pytest.mark.parametrize("compute", GROUPINGS, ids=str)


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The actions of the verdicts by stage id; the verdict has an alarm of Repetition then."""
    actions: dict[str, float] = {}

    def statistics(step: Any, *rest: Any) -> dict[str, float]:
        found = statistics_of(step, *rest)
        action = actions.get(step.id, 0.0) if step.settings.get("action") else 0.0
        # A second alarm in a row stops the run; the settings of the verdict say so.
        if action == ROLL_BACK and step.settings["action"] == "Stop":
            action = STOP
        alarms = {"alarms": 1.0, "alarmRule": 3.0} if action else {}
        return found | alarms | ({"action": action} if step.kind == "verdict" else {})

    monkeypatch.setattr(module, "statistics_of", statistics)
    return actions


def simulate(action: str, compute: dict[str, Any] | None = None, **changes: Any) -> Any:
    spec = spec_with(
        **{
            "iterations": 4,
            "yardstick": {"items": 40},
            "safeguards": {"action": action},
            "compute": compute or GROUPINGS[0],
            **changes,
        }
    )
    return PlannerSimulation(make_run(spec), environment=ON_KUBERNETES)


def committed(status: SelfAlignmentRunStatus) -> list[str]:
    return [record.id for record in status.stages if record.committed]


def model_of(simulation: PlannerSimulation, stage: str) -> str:
    """Return the id of the stage whose model an order loads, by the keys of the records."""
    by_key = {r.key: r.id for r in simulation.run.status.stages}
    steps = [s for a in simulation.attempts.values() for s in a.order.steps if s.id == stage]
    (key,) = steps[-1].inputs.get("model", ("",))
    return by_key.get(key, "")


@by_grouping
def test_a_run_stops_after_the_verdict(compute: dict[str, Any], verdicts: dict[str, float]) -> None:
    verdicts["i2/verdict"] = STOP
    simulation = simulate("Stop", compute)
    status = simulation.run_to_end()
    assert (status.phase, status.progress) == ("Succeeded", "2/4 stopped early")
    assert status.iteration == 2
    assert conditions_of(status)["Ready"] == ("True", "StoppedEarly")
    assert conditions_of(status)["Complete"] == ("True", "StoppedEarly")
    assert status.conditions[0].message == (
        "M(2) has an alarm of Repetition; the report has the figures"
    )
    assert "i2/report" in committed(status)
    assert not any(stage.startswith("i3/") for stage in (*committed(status), *simulation.started))
    assert [record.iteration for record in status.history] == [0, 1, 2]
    assert all(times == 1 for times in simulation.committed.values())


@by_grouping
def test_without_an_alarm_every_iteration_runs_once(
    compute: dict[str, Any], verdicts: dict[str, float]
) -> None:
    simulation = simulate("Stop", compute)
    status = simulation.run_to_end()
    assert (status.phase, status.progress) == ("Succeeded", "4/4")
    assert conditions_of(status)["Complete"] == ("True", "Succeeded")
    measured = [stage for stage in committed(status) if "evaluate" in stage or "verdict" in stage]
    assert measured == [
        "i0/evaluate/yardstick",
        *(f"i{t}/{name}" for t in (1, 2, 3, 4) for name in ("evaluate/yardstick", "verdict")),
    ]
    assert all(times == 1 for times in simulation.committed.values())


def test_the_next_iteration_waits_for_the_verdict_if_a_rule_needs_it(
    verdicts: dict[str, float],
) -> None:
    waiting = simulate("Stop")
    run_until(waiting, "i1/verdict")
    assert not any(stage.startswith("i2/") for stage in waiting.started)
    warning = simulate("Warn")
    run_until(warning, "i1/verdict")
    assert "i2/generate/r1" in warning.started


@by_grouping
def test_a_run_rolls_back_to_the_model_before_and_goes_on(
    compute: dict[str, Any], verdicts: dict[str, float]
) -> None:
    verdicts["i2/verdict"] = ROLL_BACK
    training = {"data": "All", "startFrom": "Previous"}
    simulation = simulate("RollBack", compute, training=training)
    status = simulation.run_to_end()
    assert (status.phase, status.progress) == ("Succeeded", "4/4")
    assert status.resolved is not None
    assert status.resolved["writers"] == [0, 1, 1, 3]
    assert all(times == 1 for times in simulation.committed.values())


def test_assessor_start_and_data_follow_the_writer(verdicts: dict[str, float]) -> None:
    verdicts["i2/verdict"] = ROLL_BACK
    training = {"data": "All", "startFrom": "Previous"}
    assessment = {"assessor": "Previous"}
    simulation = simulate("RollBack", training=training, assessment=assessment)
    for stage in ("i3/generate/r1", "i3/respond", "i3/assess", "i3/train"):
        run_until(simulation, stage)
        assert model_of(simulation, stage) == "i1/merge", stage
    (train,) = [
        s for a in simulation.attempts.values() for s in a.order.steps if s.id == "i3/train"
    ]
    by_key = {r.key: r.id for r in simulation.run.status.stages}
    assert [by_key[key] for key in train.inputs["data"]] == ["i1/select", "i3/select"]
    run_until(simulation, "i4/generate/r1")
    assert model_of(simulation, "i4/generate/r1") == "i3/merge"


@pytest.mark.parametrize("edited", [False, True])
def test_a_job_of_a_whole_run_goes_on_after_its_own_rollback(
    edited: bool, verdicts: dict[str, float]
) -> None:
    """The rollback changes settings of later stages, as an edit does."""
    verdicts["i2/verdict"] = ROLL_BACK
    simulation = simulate("RollBack", {"jobs": "Run"})
    name = run_until(simulation, "i1/generate/r1")
    count = 0
    while "i3/generate/r1" not in committed(simulation.run.status):
        simulation.report(name, count := count + 1)
        simulation.run_pass()
    assert simulation.run.status.resolved is not None
    assert simulation.run.status.resolved["writers"] == [0, 1, 1]
    if edited:
        simulation.edit(assessment={"rubric": "Simple"})
        simulation.run_pass()
        simulation.complete(simulation.find("prepare"))
        simulation.run_pass()
    assert simulation.active() == ([] if edited else [name])
    simulation.finish_stops()
    assert simulation.run_to_end().phase == "Succeeded"
    assert all(times == 1 for times in simulation.committed.values())


def test_after_a_rollback_to_the_base_the_prompts_are_raw_again(
    verdicts: dict[str, float],
) -> None:
    verdicts["i1/verdict"] = ROLL_BACK
    simulation = simulate("RollBack", assessment={"assessor": "Previous"})
    formats = {}
    for stage in ("i2/respond", "i2/assess", "i2/train", "i3/respond"):
        name = run_until(simulation, stage)
        (step,) = simulation.attempts[name].order.steps
        formats[stage] = step.settings["promptFormat"]
    assert formats == {
        "i2/respond": "Raw",
        "i2/assess": "Raw",
        "i2/train": "Chat",
        "i3/respond": "Chat",
    }


@by_grouping
def test_the_second_alarm_in_a_row_stops_the_run(
    compute: dict[str, Any], verdicts: dict[str, float]
) -> None:
    verdicts |= {"i1/verdict": ROLL_BACK, "i2/verdict": ROLL_BACK}
    status = simulate("RollBack", compute).run_to_end()
    assert (status.phase, status.progress) == ("Succeeded", "2/4 stopped early")
    assert status.conditions[0].message == (
        "M(2) has an alarm of Repetition, after the run had rolled back to M(0); the report has "
        "the figures"
    )


@by_grouping
def test_alarms_that_are_not_in_a_row_roll_back_each_time(
    compute: dict[str, Any], verdicts: dict[str, float]
) -> None:
    verdicts |= {"i1/verdict": ROLL_BACK, "i3/verdict": ROLL_BACK}
    status = simulate("RollBack", compute).run_to_end()
    assert status.phase == "Succeeded"
    assert status.resolved is not None
    assert status.resolved["writers"] == [0, 0, 2, 2]


@pytest.mark.parametrize("stage", ["i0/evaluate/yardstick", "i1/evaluate/yardstick", "i1/verdict"])
@pytest.mark.parametrize("compute", [GROUPINGS[0], GROUPINGS[-1]], ids=str)
def test_a_run_waits_if_a_rule_needs_a_measurement_that_has_failed(
    compute: dict[str, Any], stage: str, verdicts: dict[str, float]
) -> None:
    simulation = simulate("Stop", compute)
    # The pods of a walk fail in the stage that follows those that they have committed.
    before = {"i0/evaluate/yardstick": 5}
    if compute == {"jobs": "Run"}:
        before |= {"i1/evaluate/yardstick": 10, "i1/verdict": 11}
    if compute != GROUPINGS[0] and stage in before:
        name = run_until(simulation, "i1/generate/r1")
        simulation.fail(name, 64, only=before[stage], reason="InvalidInput")
    else:
        simulation.fail(run_until(simulation, stage), 64, reason="InvalidInput")
    for _ in range(20):
        planned = simulation.run_until_idle()
        active = simulation.active()
        if not active:
            break
        for name in active:
            simulation.complete(name)
    status = planned.status
    assert conditions_of(status)["Stalled"] == ("True", "EvaluationMissing")
    assert "Failed" not in conditions_of(status)
    assert conditions_of(status)["Evaluated"] == ("False", "InvalidInput")
    assert "iteration 2 waits for the comparison of M(1) with M(0)" in status.conditions[0].message
    assert planned.wake_at is not None, "the deadline of the run"
    assert not any(one.startswith("i2/") for one in simulation.started)

    simulation.edit(safeguards={"action": "Warn"})
    status = simulation.run_to_end()
    assert (status.phase, status.progress) == ("Succeeded", "4/4")


def test_a_retry_measures_again_and_the_run_goes_on(verdicts: dict[str, float]) -> None:
    simulation = simulate("Stop")
    simulation.fail(run_until(simulation, "i1/verdict"), 64, reason="InvalidInput")
    simulation.run_until_idle()
    simulation.edit(activeDeadlineSeconds=100000)
    status = simulation.run_to_end()
    assert (status.phase, simulation.started.count("i1/verdict")) == ("Succeeded", 2)


@by_grouping
def test_a_changed_rule_applies_from_the_first_iteration_that_has_not_begun(
    compute: dict[str, Any], verdicts: dict[str, float]
) -> None:
    verdicts |= {"i1/verdict": STOP, "i2/verdict": STOP, "i3/verdict": STOP}
    simulation = simulate("Warn", compute)
    if compute == {"jobs": "Run"}:
        name = run_until(simulation, "i1/generate/r1")
        simulation.complete(name, only=26)
        simulation.run_pass()
    else:
        run_until(simulation, "i3/train")
    before = {key: simulation.committed[key] for key in simulation.committed}
    simulation.edit(safeguards={"action": "Stop"})
    status = simulation.run_to_end()
    assert (status.phase, status.progress) == ("Succeeded", "3/4 stopped early")
    assert all(simulation.committed[key] == times for key, times in before.items())
    assert [record.iteration for record in status.history] == [0, 1, 2, 3]


def test_a_rollback_stays_after_the_rule_is_gone(verdicts: dict[str, float]) -> None:
    verdicts["i2/verdict"] = ROLL_BACK
    simulation = simulate("RollBack")
    run_until(simulation, "i3/train")
    simulation.edit(safeguards={"action": "Warn"})
    status = simulation.run_to_end()
    assert status.phase == "Succeeded"
    assert Resolved.model_validate(status.resolved).writers == (0, 1, 1, 3)
    assert all(times == 1 for times in simulation.committed.values())


def test_a_stopped_run_goes_on_after_an_edit_of_the_rule(verdicts: dict[str, float]) -> None:
    verdicts["i2/verdict"] = STOP
    simulation = simulate("Stop")
    assert simulation.run_to_end().progress == "2/4 stopped early"
    simulation.edit(safeguards={"action": "Warn"})
    status = simulation.run_to_end()
    assert (status.phase, status.progress) == ("Succeeded", "4/4")
    assert all(times == 1 for times in simulation.committed.values())


def test_an_edit_of_the_data_begins_again_with_its_own_decisions(
    verdicts: dict[str, float],
) -> None:
    verdicts["i2/verdict"] = ROLL_BACK
    simulation = simulate("RollBack")
    run_until(simulation, "i3/respond")
    verdicts.clear()
    simulation.edit(randomSeed=7)
    status = simulation.run_to_end()
    assert Resolved.model_validate(status.resolved).writers == (0, 1, 2, 3)


ARC = {"name": "arc", "task": "arc_easy", "role": "Validation"}


@pytest.mark.parametrize(
    ("verdict", "best", "reason"),
    [
        ({}, (2, None, "the last model, because arc is not measured yet"), "Succeeded"),
        (
            {"best": 1.0, "bestReason": 0.0, "bestValue": 0.5},
            (1, 0.5, "chosen on this data"),
            "Succeeded",
        ),
        (
            {"best": 0.0, "bestReason": 1.0, "bestValue": 0.25},
            (
                0,
                0.25,
                "NoImprovement: no model is significantly better than M(0); chosen on this data",
            ),
            "NoImprovement",
        ),
        (
            {"best": 2.0, "bestReason": 2.0},
            (2, None, "the last model, because arc has too few items"),
            "Succeeded",
        ),
    ],
)
def test_the_status_has_the_best_and_the_last_model(
    verdict: dict[str, float], best: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def statistics(step: Any, *rest: Any) -> dict[str, float]:
        return statistics_of(step, *rest) | (verdict if step.id == "i2/verdict" else {})

    monkeypatch.setattr(module, "statistics_of", statistics)
    evaluation = {"benchmarks": [ARC]}
    simulation = simulate("Warn", iterations=2, best={"metric": "arc"}, evaluation=evaluation)
    status = simulation.run_to_end()
    assert status.best is not None
    assert (status.best.iteration, status.best.value, status.best.note) == best
    assert status.best.metric == "arc"
    keys = {record.id: record.key for record in status.stages}
    assert status.last_model_uri is not None
    assert keys["i2/merge"] in status.last_model_uri
    t = best[0]
    assert status.model_uri == status.best.model_uri
    assert (keys[f"i{t}/merge"] if t else "hf://org/model") in str(status.model_uri)
    assert conditions_of(status)["Complete"] == ("True", reason)


def test_without_a_metric_the_best_model_is_the_last_one(verdicts: dict[str, float]) -> None:
    simulation = simulate("Warn", iterations=2)
    run_until(simulation, "i1/generate/r1")
    assert simulation.run.status.best is None
    status = simulation.run_to_end()
    assert status.best is not None
    assert (status.best.iteration, status.best.value) == (2, None)
    assert status.best.note == "the last model, because best.metric is not set"
    assert status.model_uri == status.last_model_uri == status.best.model_uri
    assert conditions_of(status)["Complete"] == ("True", "Succeeded")


def test_a_rule_for_stopping_ends_a_run_that_only_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    def statistics(step: Any, *rest: Any) -> dict[str, float]:
        stop = {"action": STOP} if step.id == "i3/verdict" else {}
        return statistics_of(step, *rest) | stop

    monkeypatch.setattr(module, "statistics_of", statistics)
    stopping = {"metric": "arc", "patience": 2}
    simulation = simulate("Warn", stopping=stopping, evaluation={"benchmarks": [ARC]})
    status = simulation.run_to_end()
    assert status.progress == "3/4 stopped early"
    assert status.conditions[0].message == (
        "no newer model was significantly better on arc (patience 2); the report has the figures"
    )
