"""Optional stages: the run goes on without a measurement that fails, and says so."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from isheep.planner.peers import Plans, claims, holder

from .scenarios import MINUTE, conditions_of, run_until
from .simulated_statistics import statistics_of
from .simulation import START, PlannerSimulation, make_run, spec_with
from .test_job_walks import ON_KUBERNETES

BASE = "i0/evaluate/yardstick"
QUIZ_DIGEST = hashlib.sha256(b"arc_easy").hexdigest()[:8]
LAST = "i2/evaluate/yardstick"


def measured(**changes: Any) -> PlannerSimulation:
    spec = spec_with(**{"yardstick": {"items": 24}, **changes})
    return PlannerSimulation(make_run(spec), environment=ON_KUBERNETES)


def fail_finally(simulation: PlannerSimulation, stage: str) -> None:
    simulation.fail(run_until(simulation, stage), 64, reason="InvalidInput")
    simulation.run_pass()


@pytest.mark.parametrize("jobs", ["PerStage", "PerRole", "Joined"])
def test_each_model_is_measured_once_and_the_run_ends_with_a_verdict(jobs: str) -> None:
    simulation = measured(compute={"inference": {"jobs": jobs}})
    status = simulation.run_to_end()
    committed = [record.id for record in status.stages if record.committed]
    assert [i for i in committed if "evaluate" in i or "verdict" in i] == [
        BASE,
        "i1/evaluate/yardstick",
        "i1/verdict",
        LAST,
        "i2/verdict",
    ]
    assert status.phase == "Succeeded"
    assert all(times == 1 for times in simulation.committed.values())
    assert "Evaluated" not in conditions_of(status)


def test_the_pods_of_the_responses_measure_the_model_that_they_have_loaded() -> None:
    simulation = measured(compute={"inference": {"jobs": "PerRole"}})
    simulation.run_to_end()
    assert [stage for stage in simulation.started if "evaluate" in stage] == [LAST]


@pytest.mark.parametrize("jobs", ["PerStage", "PerRole"])
@pytest.mark.parametrize("stage", [BASE, LAST, "i1/verdict", "i2/verdict"])
def test_a_measurement_that_fails_does_not_end_the_run(stage: str, jobs: str) -> None:
    simulation = measured(compute={"inference": {"jobs": jobs}})
    if jobs == "PerRole" and stage == BASE:
        name = run_until(simulation, "i1/generate/r1")
        simulation.fail(name, 64, only=5, reason="InvalidInput")
        simulation.run_pass()
    else:
        fail_finally(simulation, stage)
    planned = simulation.run_pass()
    assert conditions_of(planned.status)["Evaluated"] == ("False", "InvalidInput")
    assert conditions_of(planned.status)["Ready"][0] == "False"
    status = simulation.run_to_end()
    assert status.phase == "Succeeded"
    assert conditions_of(status)["Complete"][0] == "True"
    condition = next(c for c in status.conditions if c.type == "Evaluated")
    assert (condition.status, condition.reason) == ("False", "InvalidInput")
    assert condition.message == f"{stage}: why; the run goes on without these figures"
    (record,) = [record for record in status.stages if record.id == stage]
    assert not record.committed
    assert status.history[-1].kept
    assert status.model_uri is not None


def test_the_method_goes_on_while_a_measurement_waits_for_its_retry() -> None:
    simulation = measured()
    simulation.fail(run_until(simulation, BASE), 137)
    simulation.complete(simulation.find("i1/respond"))
    planned = simulation.run_until_idle()
    assert "i1/assess" in simulation.started
    assert conditions_of(planned.status)["Reconciling"][0] == "True"
    simulation.now += timedelta(hours=1)
    simulation.run_pass()
    assert simulation.started.count(BASE) == 2
    assert simulation.run_to_end().phase == "Succeeded"


@pytest.mark.parametrize("way", ["retry", "edit"])
def test_a_retry_and_an_edit_measure_again_what_has_failed(way: str) -> None:
    simulation = measured()
    fail_finally(simulation, LAST)
    simulation.run_to_end()
    if way == "retry":
        simulation.retry("please")
    else:
        simulation.edit(activeDeadlineSeconds=100000)
    status = simulation.run_to_end()
    assert "Evaluated" not in conditions_of(status)
    assert simulation.started.count(LAST) == 2
    assert all(times == 1 for times in simulation.committed.values())


def test_a_measurement_is_repeated_after_the_job_of_the_whole_run() -> None:
    """The Job of the measurement would walk into the stages of the other Job."""
    simulation = measured(compute={"jobs": "Run"})
    simulation.fail(run_until(simulation, "i1/generate/r1"), 64, only=5, reason="InvalidInput")
    simulation.run_until_idle()
    (working,) = simulation.active()
    assert [step.id for step in simulation.attempts[working].start.steps] == ["i1/assess"]
    simulation.edit(activeDeadlineSeconds=100000)
    simulation.run_until_idle()
    assert simulation.active() == [working]
    status = simulation.run_to_end()
    assert status.phase == "Succeeded"
    assert simulation.started[2:] == ["i1/assess", BASE]
    assert "Evaluated" not in conditions_of(status)


def test_on_one_machine_the_next_model_waits_for_the_measurement() -> None:
    spec = spec_with(yardstick={})
    simulation = PlannerSimulation(make_run(spec))
    run_until(simulation, BASE)
    assert "i1/assess" not in simulation.started
    simulation.complete(simulation.find(BASE))
    simulation.run_pass()
    assert [simulation.attempts[name].order.steps[0].id for name in simulation.active()] == [
        "i1/assess"
    ]
    assert simulation.run_to_end().phase == "Succeeded"


def test_on_one_machine_a_measurement_that_waits_for_its_retry_delays_nothing() -> None:
    simulation = PlannerSimulation(make_run(spec_with(yardstick={})))
    simulation.fail(run_until(simulation, BASE), 137)
    simulation.run_until_idle()
    assert "i1/assess" in simulation.started
    simulation.now += 10 * MINUTE
    simulation.run_pass()
    assert simulation.started.count(BASE) == 1, "the assessment has the device"
    simulation.complete(simulation.find("i1/assess"))
    assert simulation.run_to_end().phase == "Succeeded"
    assert simulation.started.count(BASE) == 2


def test_on_one_machine_a_few_scores_are_computed_at_once() -> None:
    """Each score stage is a process that loads lm-eval, and the training needs the machine too."""
    names = ("arc_easy", "boolq", "piqa")
    benchmarks = [{"name": name.replace("_", "-"), "task": name} for name in names]
    spec = spec_with(iterations=1, evaluation={"benchmarks": benchmarks})
    simulation = PlannerSimulation(make_run(spec))
    at_once = []
    while not simulation.is_over():
        simulation.run_until_idle()
        active = [simulation.attempts[name].order.steps[0].id for name in simulation.active()]
        at_once.append(sum("/score/" in stage for stage in active))
        for name in simulation.active():
            simulation.complete(name)
        simulation.now += MINUTE
    scores = [stage for stage in simulation.started if "/score/" in stage]
    # M(0) in two formats and M(1) in one, on three benchmarks.
    assert len(scores) == len(set(scores)) == 9
    assert max(at_once) == 2


@pytest.mark.parametrize("jobs", ["PerStage", "PerRole", "Joined"])
def test_a_run_finds_what_exists_although_a_measurement_is_missing(jobs: str) -> None:
    first = measured(compute={"inference": {"jobs": jobs}}, yardstick={"items": 0})
    first.run_to_end()
    second = measured(compute={"inference": {"jobs": jobs}})
    second.store = dict(first.store)
    assert second.run_to_end().phase == "Succeeded"
    others = {"prepare", "i1/report", "i2/report", "i1/verdict", "i2/verdict"}
    assert set(second.started) - others == {BASE, "i1/evaluate/yardstick", LAST}


def test_a_job_of_a_whole_run_knows_the_measurements_that_failed() -> None:
    simulation = measured(compute={"jobs": "Run"})
    name = run_until(simulation, "i1/generate/r1")
    simulation.fail(name, 64, only=5, reason="InvalidInput")
    simulation.run_pass()
    again = run_until(simulation, "i1/assess")
    order_walk = simulation.attempts[again].order.walk
    assert order_walk is not None
    (record,) = [r for r in simulation.run.status.stages if r.id == BASE]
    assert order_walk.failed == (record.key,)
    assert simulation.run_to_end().phase == "Succeeded"


@pytest.mark.parametrize("jobs", ["PerStage", "PerRole"])
def test_a_measurement_that_hangs_ends_at_its_own_deadline(jobs: str) -> None:
    simulation = measured(compute={"inference": {"jobs": jobs}})
    name = run_until(simulation, LAST)
    limit = simulation.attempts[name].start.deadline_seconds
    assert limit == 4 * 3600
    simulation.now += timedelta(seconds=limit)
    # The Job controller kills the pods, which write no result.
    simulation.fail(name, None)
    planned = simulation.run_until_idle()
    assert conditions_of(planned.status)["Evaluated"] == ("False", "DeadlineExceeded")
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_job_with_a_stage_of_the_method_has_no_deadline_of_its_own() -> None:
    simulation = measured(compute={"inference": {"jobs": "PerRole"}})
    name = run_until(simulation, "i1/generate/r1")
    assert simulation.attempts[name].start.deadline_seconds is None
    simulation.now += timedelta(hours=9)
    simulation.fail(name, 137, only=5)
    planned = simulation.run_until_idle()
    assert "Evaluated" not in conditions_of(planned.status)
    assert simulation.run_to_end().phase == "Succeeded"
    assert BASE in simulation.started, "the measurement is tried again"


def test_a_failed_measurement_keeps_no_other_run_waiting() -> None:
    simulation = measured()
    fail_finally(simulation, BASE)
    run_until(simulation, "i1/assess")
    (record,) = [r for r in simulation.run.status.stages if r.id == BASE]
    peer = claims(simulation.run, simulation.observed().attempts)
    assert record.key not in peer.wanted
    assert record.key not in peer.working
    other = measured()
    other.peers = (peer,)
    other.run = replace(other.run, uid="uid-2", created=START + MINUTE)
    assert holder(other.run, other.peers, Plans({record.key})) is None


def test_the_failure_of_a_stage_that_was_never_started_here_stays_in_the_status() -> None:
    """The driver in the pod of a whole run gets it from its order."""
    simulation = measured()
    fail_finally(simulation, BASE)
    (record,) = [r for r in simulation.run.status.stages if r.id == BASE]
    stages = [
        r.model_copy(update={"attempts": 0}) if r.id == BASE else r
        for r in simulation.run.status.stages
    ]
    status = simulation.run.status.model_copy(update={"stages": tuple(stages)})
    simulation.run = replace(simulation.run, status=status)
    status = simulation.run_to_end()
    assert [r.failure for r in status.stages if r.id == BASE] == [record.failure]
    assert simulation.started.count(BASE) == 1


@pytest.mark.parametrize(
    ("alarms", "message"),
    [
        ({}, None),
        ({"alarms": 0.0}, None),
        ({"alarms": 1.0, "alarmRule": 0.0}, "M(2): YardstickLoss; the report has the figures"),
        (
            {"alarms": 3.0, "alarmRule": 3.0},
            "M(2): Repetition and 2 more; the report has the figures",
        ),
        ({"alarms": 1.0, "alarmRule": 99.0}, "M(2): a guard; the report has the figures"),
    ],
)
def test_an_alarm_of_the_newest_verdict_is_a_condition(
    alarms: dict[str, float], message: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from . import simulation as module

    def statistics(step: Any, *rest: Any) -> dict[str, float]:
        found = statistics_of(step, *rest)
        return found | alarms if step.id == "i2/verdict" else found

    monkeypatch.setattr(module, "statistics_of", statistics)
    status = measured().run_to_end()
    assert status.phase == "Succeeded"
    found = [c.message for c in status.conditions if c.type == "Degrading"]
    assert found == ([] if message is None else [message])


@pytest.mark.parametrize("jobs", ["PerStage", "PerRole"])
@pytest.mark.parametrize("failing", ["i0/score", "i2/evaluate", "i2/score"])
def test_a_benchmark_that_fails_does_not_end_the_run(failing: str, jobs: str) -> None:
    quiz = {"benchmarks": [{"name": "quiz", "task": "arc_easy"}]}
    simulation = measured(
        yardstick={"items": 0}, evaluation=quiz, compute={"inference": {"jobs": jobs}}
    )
    fail_finally(simulation, f"{failing}/arc-easy-{QUIZ_DIGEST}-chat")
    status = simulation.run_to_end()
    assert status.phase == "Succeeded"
    condition = next(c for c in status.conditions if c.type == "Evaluated")
    assert (condition.status, condition.reason) == ("False", "InvalidInput")
    assert status.model_uri is not None
    assert all(record.yardstick is None for record in status.history)
    committed = [record.id for record in status.stages if record.committed]
    verdicts = [id_ for id_ in committed if id_.endswith("verdict")]
    # Without scores of M(0) in the format of later models, nothing is compared.
    assert verdicts == ([] if failing == "i0/score" else ["i1/verdict"])


def test_the_status_shows_each_model_on_the_first_benchmark() -> None:
    quiz = {"benchmarks": [{"name": "quiz", "task": "arc_easy"}]}
    status = measured(evaluation=quiz).run_to_end()
    found = [record.benchmark for record in status.history if record.benchmark is not None]
    assert [(one.name, one.items, one.difference) for one in found] == [("quiz", 130, 0.125)] * 2


def judged(kind: str = "WinRate", **changes: Any) -> PlannerSimulation:
    judgements = [{"name": "wins", "kind": kind, "storageUri": "s3://bucket/questions.jsonl"}]
    endpoint = {"url": "https://api.example.com/v1", "model": "judge-1"}
    evaluation = {"judgements": judgements}
    return measured(evaluation=evaluation, judge={"endpoint": endpoint}, **changes)


def test_the_status_shows_the_win_rate_of_each_model_on_the_first_judgement() -> None:
    simulation = judged()
    status = simulation.run_to_end()
    found = [record.judgement for record in status.history if record.judgement is not None]
    assert [(one.name, one.items, one.rate) for one in found] == [("wins", 128, 0.625)] * 2
    assert all(times == 1 for times in simulation.committed.values())


def test_the_status_shows_the_grades_of_each_model_and_of_its_second_turns() -> None:
    status = judged(kind="Grades").run_to_end()
    found = [record.grades for record in status.history if record.grades is not None]
    assert [(one.name, one.items, one.mean, one.lower) for one in found] == [
        ("wins", 80, 5.5, None)
    ] * 2
    seconds = [one.second_turn for one in found]
    assert [(one.items, one.mean, one.difference) for one in seconds if one is not None] == [
        (64, 3.5, -4.0)
    ] * 2


@pytest.mark.parametrize("jobs", ["PerStage", "PerRole", "Joined"])
def test_a_judge_that_fails_does_not_end_the_run(jobs: str) -> None:
    simulation = judged(yardstick={"items": 0}, compute={"inference": {"jobs": jobs}})
    fail_finally(simulation, "i1/judge/wins-raw")
    status = simulation.run_to_end()
    assert status.phase == "Succeeded"
    condition = next(c for c in status.conditions if c.type == "Evaluated")
    assert (condition.status, condition.reason) == ("False", "InvalidInput")
    assert status.model_uri is not None
    shown = {record.iteration for record in status.history if record.judgement is not None}
    assert shown == {2}
