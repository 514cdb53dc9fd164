"""The course of a run: which stages start, in which order, and how two runs share a store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from isheep.planner.types import Peer, Remove

from .scenarios import MINUTE, conditions_of, one_iteration, run_until
from .simulation import START, PlannerSimulation, make_run, outcome, spec_with

ONE_ITERATION = [
    "prepare",
    "i1/generate/r1",
    "i1/curate/r1",
    "i1/generate/r2",
    "i1/curate/r2",
    "i1/respond",
    "i1/assess",
    "i1/select",
    "i1/train",
    "i1/merge",
    "i1/report",
]


def test_an_undisturbed_run_starts_each_stage_once_and_completes() -> None:
    simulation = one_iteration()
    status = simulation.run_to_end()
    assert simulation.started == ONE_ITERATION
    assert conditions_of(status) == {
        "Ready": ("True", "Succeeded"),
        "Complete": ("True", "Succeeded"),
    }
    assert [(r.id, r.attempts, r.committed) for r in status.stages] == [
        (stage, 1, True) for stage in ONE_ITERATION
    ]
    keys = {r.id: r.key for r in status.stages}
    assert status.model_uri == f"s3://bucket/some/prefix/ns/stages/{keys['i1/merge']}/files"
    assert status.report_uri == (
        f"s3://bucket/some/prefix/ns/stages/{keys['i1/report']}/files/report.html"
    )
    assert status.progress == "1/1"
    (history,) = status.history
    # 5 completions give 15 instructions; the 25 that are missing need 1.1 * 25 / 3 = 10 more.
    assert (history.completions, history.accepted, history.kept) == (15, 40, 16)
    assert (history.training_loss, history.validation_loss) == (1.25, 1.5)
    assert history.training_samples == history.kept
    assert history.validation_samples == 7
    assert status.completion_time is not None
    assert simulation.attempts == {}


def test_the_next_iteration_starts_while_the_report_of_the_last_one_is_running() -> None:
    simulation = PlannerSimulation()
    run_until(simulation, "i1/report")
    assert {simulation.attempts[n].order.steps[0].id for n in simulation.active()} == {
        "i1/report",
        "i2/generate/r1",
    }
    assert simulation.run.status.progress == "2/2 generate/r1"


def test_a_second_run_with_the_same_store_starts_only_prepare_and_the_reports() -> None:
    first = PlannerSimulation()
    first.run_to_end()
    second = PlannerSimulation(make_run(name="second", uid="uid-2"), store=first.store)
    status = second.run_to_end()
    assert second.started == ["prepare", "i1/report", "i2/report"]
    assert sum(second.committed.values()) == 0
    assert outcome(status)["history"] == [
        h.model_copy(update={"mean_score": 8.1235}) for h in outcome(first.run.status)["history"]
    ]


def test_joined_stages_share_an_order() -> None:
    simulation = one_iteration(compute={"inference": {"jobs": "Joined", "parallelism": 8}})
    name = run_until(simulation, "i1/respond")
    assert [s.id for s in simulation.attempts[name].order.steps] == ["i1/respond", "i1/assess"]
    simulation.fail(name, 1, only=1)
    simulation.run_pass()
    simulation.now += MINUTE
    simulation.run_pass()
    (again,) = simulation.active()
    assert [s.id for s in simulation.attempts[again].order.steps] == ["i1/assess"]
    assert simulation.attempts[again].order.attempt == 2
    assert simulation.run_to_end().phase == "Succeeded"


def test_stages_that_use_different_models_are_not_joined() -> None:
    simulation = PlannerSimulation(
        make_run(
            spec_with(compute={"inference": {"jobs": "Joined"}}, assessment={"assessor": "Base"})
        )
    )
    first = run_until(simulation, "i1/assess")
    assert len(simulation.attempts[first].order.steps) == 2
    second = run_until(simulation, "i2/respond")
    assert len(simulation.attempts[second].order.steps) == 1


def test_the_newer_of_two_runs_waits_for_a_stage_and_adopts_it() -> None:
    simulation = one_iteration()
    name = run_until(simulation, "i1/respond")
    key = simulation.attempts[name].order.steps[0].key
    newer = PlannerSimulation(
        make_run(spec_with(iterations=1), name="newer", uid="uid-2", created=START + MINUTE),
        store=simulation.store,
    )
    newer.peers = (Peer("run", "uid-1", START, frozenset({key}), frozenset()),)
    for _ in range(3):
        newer.run_pass()
        for attempt in newer.active():
            newer.complete(attempt)
    planned = newer.run_pass()
    assert newer.active() == []
    assert conditions_of(planned.status)["Reconciling"] == ("True", "WaitingForPeer")
    assert "the run run executes this stage" in planned.status.conditions[0].message
    assert planned.wake_at == newer.now + timedelta(seconds=30)
    simulation.complete(name)
    newer.peers = ()
    assert newer.run_to_end().phase == "Succeeded"
    assert newer.adopted[key] == 1


def test_too_few_samples_fail_the_run() -> None:
    simulation = one_iteration(selection={"minSamples": 1000})
    status = simulation.run_to_end()
    assert conditions_of(status)["Failed"] == ("True", "TooFewSamples")
    assert "i1/train" not in simulation.started
    assert simulation.started[-1] == "i1/report"
    assert status.report_uri is not None


@pytest.mark.parametrize("code", [64, 70])
def test_a_run_whose_last_report_fails_ends_with_its_own_reason(code: int) -> None:
    simulation = one_iteration(selection={"minSamples": 1000})
    simulation.fail(run_until(simulation, "i1/report"), code, reason="Defect")
    status = simulation.run_to_end()
    assert conditions_of(status)["Failed"] == ("True", "TooFewSamples")
    assert status.report_uri is None


def test_a_failing_run_does_not_wait_for_its_report_beyond_its_deadline() -> None:
    simulation = one_iteration(selection={"minSamples": 1000}, activeDeadlineSeconds=3600)
    run_until(simulation, "i1/report")
    assert conditions_of(simulation.run.status)["Reconciling"][0] == "True"
    simulation.now += timedelta(hours=2)
    planned = simulation.run_pass()
    assert conditions_of(planned.status)["Failed"] == ("True", "TooFewSamples")


def test_an_edit_after_a_failure_goes_on_from_the_selection() -> None:
    simulation = one_iteration(selection={"minSamples": 1000})
    simulation.run_to_end()
    before = list(simulation.started)
    simulation.edit(selection={"minSamples": 1})
    assert simulation.run_to_end().phase == "Succeeded"
    assert simulation.started[len(before) :] == ["prepare", "i1/train", "i1/merge", "i1/report"]


def test_a_keep_rate_that_is_too_low_fails_the_run_with_the_counts_of_its_rules() -> None:
    simulation = one_iteration(instructions={"count": 1000})
    simulation.yield_per_completion = 0.05
    status = simulation.run_to_end()
    assert conditions_of(status)["Failed"] == ("True", "KeepRateTooLow")
    message = status.conditions[0].message
    assert "rouge-l 9, short 3" in message
    assert simulation.started.count("i1/generate/r3") == 1


def test_an_attempt_is_removed_only_after_its_result_is_in_the_status() -> None:
    simulation = one_iteration()
    name = run_until(simulation, "i1/respond")
    simulation.complete(name)
    planned = simulation.run_pass(lose_status=True)
    assert not any(isinstance(a, Remove) for a in planned.actions)
    planned = simulation.run_pass()
    assert not any(isinstance(a, Remove) for a in planned.actions)
    # The next event may be hours away, so the plan requests a pass at once for the removal.
    assert planned.wake_at == simulation.now
    assert Remove(name) in simulation.run_pass().actions
