"""Failures and retries: what the planner does after each kind of failed attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from isheep.planner.groups import PROOF_SECONDS
from isheep.planner.plan import plan
from isheep.planner.types import AttemptState, Observed, Remove, Start

from .scenarios import MINUTE, conditions_of, one_iteration, run_until
from .simulation import START


def test_bad_input_stalls_prepare_and_is_retried_on_the_schedule_until_it_is_fixed() -> None:
    simulation = one_iteration()
    for minutes in (1, 2, 5, 10, 30, 30):
        simulation.run_until_idle()
        simulation.fail(simulation.find("prepare"), 64, reason="ModelNotFound")
        planned = simulation.run_until_idle()
        assert conditions_of(planned.status) == {
            "Ready": ("False", "ModelNotFound"),
            "Stalled": ("True", "ModelNotFound"),
        }
        assert planned.status.phase == "Stalled"
        assert planned.wake_at == simulation.now + minutes * MINUTE
        assert planned.status.last_failure is not None
        assert planned.status.last_failure.message == "why"
        simulation.now = planned.wake_at
    assert simulation.run_to_end().phase == "Succeeded"
    assert simulation.started.count("prepare") == 7


def test_a_stall_lasts_until_the_next_attempt_shows_that_its_cause_is_gone() -> None:
    """So a cause that stays does not change the state of the run at each try."""
    simulation = one_iteration()
    simulation.run_until_idle()
    simulation.fail(simulation.find("prepare"), 64, reason="StoreRefused")
    for minutes in (1, 2):
        planned = simulation.run_until_idle()
        simulation.now += minutes * MINUTE
        for _ in range(2):
            planned = simulation.run_pass()
            assert conditions_of(planned.status)["Stalled"] == ("True", "StoreRefused")
        assert planned.wake_at == simulation.now + timedelta(seconds=PROOF_SECONDS)
        simulation.fail(simulation.find("prepare"), 64, reason="StoreRefused")
    planned = simulation.run_until_idle()
    simulation.now += 5 * MINUTE
    simulation.run_pass()
    simulation.now += timedelta(seconds=PROOF_SECONDS)
    assert simulation.run_pass().status.phase == "Running"
    assert simulation.run_to_end().phase == "Succeeded"


def test_progress_ends_a_stall() -> None:
    simulation = one_iteration()
    name = run_until(simulation, "i1/respond")
    simulation.fail(name, 69)
    simulation.run_until_idle()
    simulation.now += MINUTE
    planned = simulation.run_pass()
    assert planned.status.phase == "Stalled"
    (attempt,) = [a for a in simulation.observed().attempts if a.state is AttemptState.ACTIVE]
    observed = Observed((replace(attempt, items_done=64),))
    found = plan(simulation.run, observed, simulation.now, simulation.environment)
    assert found.status.phase == "Running"


def test_the_cause_is_shown_while_the_attempt_that_ended_is_being_removed() -> None:
    simulation = one_iteration()
    simulation.fail(run_until(simulation, "i1/train"), 69)
    simulation.run_pass()
    (attempt,) = [a for a in simulation.observed().attempts if a.state is AttemptState.FAILED]
    removed = Observed((replace(attempt, state=AttemptState.TERMINATING),))
    for at, reason in ((simulation.now, "StoreUnreachable"), (simulation.now + MINUTE, "Stopping")):
        status = plan(simulation.run, removed, at, simulation.environment).status
        assert conditions_of(status)["Ready"] == ("False", reason)


def test_a_retry_annotation_ends_one_wait() -> None:
    simulation = one_iteration()
    simulation.run_pass()
    simulation.fail(simulation.find("prepare"), 64)
    simulation.run_pass()
    simulation.retry("please")
    planned = simulation.run_pass()
    assert [type(a) for a in planned.actions] == [Start]
    assert planned.status.last_handled_retry == "please"
    simulation.fail(simulation.find("prepare"), 64)
    assert simulation.run_until_idle().wake_at == simulation.now + MINUTE
    assert simulation.active() == []


def test_a_retry_annotation_from_before_the_failure_has_no_effect() -> None:
    simulation = one_iteration()
    simulation.retry("from the template")
    name = run_until(simulation, "i1/respond")
    simulation.fail(name, 70)
    assert simulation.run_to_end().phase == "Failed"


def test_a_retry_annotation_on_a_run_without_anything_to_retry_is_handled() -> None:
    simulation = one_iteration()
    before = simulation.run_to_end()
    assert before.phase == "Succeeded"
    simulation.retry("please")
    planned = simulation.run_pass()
    assert planned.actions == ()
    assert planned.status == before.model_copy(update={"last_handled_retry": "please"})
    # It stays handled when somebody removes the annotation.
    simulation.run = replace(simulation.run, annotations={})
    assert simulation.run_pass().status == planned.status


@pytest.mark.parametrize(("code", "reason"), [(64, "InvalidInput"), (70, "Defect")])
def test_a_terminal_failure_is_final_until_the_user_requests_a_retry(
    code: int, reason: str
) -> None:
    simulation = one_iteration()
    simulation.fail(run_until(simulation, "i1/respond"), code)
    status = simulation.run_to_end()
    assert conditions_of(status) == {
        "Ready": ("False", reason),
        "Failed": ("True", reason),
        "Stalled": ("True", reason),
    }
    # The last attempt of the stage remains for its logs, and the planner does nothing more.
    assert [a.state for a in simulation.attempts.values()] == [AttemptState.FAILED]
    simulation.now += timedelta(days=400)
    planned = simulation.run_pass()
    assert (planned.actions, planned.status, planned.wake_at) == ((), status, None)
    simulation.retry("fixed")
    assert simulation.run_to_end().phase == "Succeeded"
    assert simulation.run.status.start_time is not None
    assert simulation.run.status.start_time > START
    assert simulation.started.count("i1/respond") == 2
    assert simulation.started.count("i1/generate/r1") == 1


def test_counted_retries_are_limited() -> None:
    simulation = one_iteration()
    run_until(simulation, "i1/train")
    for attempt in (1, 2, 3):
        (name,) = simulation.active()
        assert simulation.attempts[name].order.attempt == attempt
        simulation.fail(name, 137)
        planned = simulation.run_until_idle()
        assert conditions_of(planned.status)["Reconciling"] == ("True", "Retrying")
        assert planned.wake_at == simulation.now + timedelta(seconds=10 * 4 ** (attempt - 1))
        simulation.now = planned.wake_at
        simulation.run_pass()
    simulation.fail(simulation.find("i1/train"), None)
    status = simulation.run_to_end()
    assert conditions_of(status)["Failed"] == ("True", "RetriesExceeded")
    # Only the last of four failed attempts remains.
    assert len(simulation.attempts) == 1


def test_exhausted_device_memory_is_retried_with_smaller_batches() -> None:
    simulation = one_iteration()
    run_until(simulation, "i1/respond")
    for reduction in range(4):
        (name,) = simulation.active()
        assert simulation.attempts[name].order.runtime.memory_reduction == reduction
        simulation.fail(name, 80)
        simulation.run_pass()
    assert conditions_of(simulation.run.status)["Failed"] == ("True", "OutOfMemory")


def test_disruptions_are_retried_without_limit_and_are_not_counted() -> None:
    simulation = one_iteration()
    run_until(simulation, "i1/train")
    for _ in range(9):
        simulation.fail(simulation.active()[0], 143)
        planned = simulation.run_until_idle()
        assert planned.wake_at is not None
        simulation.now = planned.wake_at
        simulation.run_pass()
    assert simulation.run_to_end().phase == "Succeeded"
    (record,) = [r for r in simulation.run.status.stages if r.id == "i1/train"]
    assert (record.attempts, record.failures) == (10, 0)


def test_a_wait_longer_than_the_schedule_allows_is_ignored_as_a_clock_error() -> None:
    simulation = one_iteration()
    simulation.run_pass()
    simulation.now += timedelta(days=2)
    simulation.fail(simulation.find("prepare"), 64)
    simulation.run_pass()
    simulation.now -= timedelta(days=2)
    assert [type(a) for a in simulation.run_pass().actions] == [Start]


def test_a_prepare_that_exceeds_its_deadline_stalls_the_run() -> None:
    simulation = one_iteration()
    (start,) = (a for a in simulation.run_pass().actions if isinstance(a, Start))
    assert start.deadline_seconds == 1800
    simulation.now += timedelta(seconds=1800)
    simulation.fail(simulation.find("prepare"), 143)
    assert conditions_of(simulation.run_pass().status)["Stalled"] == ("True", "PrepareOverdue")


def test_the_time_in_a_queue_is_no_part_of_a_time_limit() -> None:
    simulation = one_iteration(yardstick={"items": 24})
    simulation.run_pass()
    prepare = simulation.find("prepare")
    simulation.now += timedelta(hours=5)
    simulation.attempts[prepare].admitted = simulation.now
    simulation.now += timedelta(minutes=1)
    simulation.fail(prepare, 64, reason="InvalidInput")
    assert conditions_of(simulation.run_pass().status)["Stalled"] == ("True", "InvalidInput")
    simulation.retry("again")
    measurement = run_until(simulation, "i0/evaluate/yardstick")
    simulation.now += timedelta(hours=5)
    simulation.attempts[measurement].admitted = simulation.now
    simulation.fail(measurement, 137)
    # The measurement has another attempt, and the run does not go on without it.
    status = simulation.run_pass().status
    assert "Evaluated" not in conditions_of(status)


def test_the_last_failure_belongs_to_the_current_plan() -> None:
    simulation = one_iteration()
    simulation.run_pass()
    simulation.fail(simulation.find("prepare"), 74)
    simulation.edit(iterations=2)
    simulation.run_until_idle()
    simulation.complete(simulation.find("prepare"), only=0)
    failure = simulation.run_until_idle().status.last_failure
    assert failure is not None
    assert "left no commit" in failure.message
    assert simulation.run_pass().status.last_failure == failure


def test_a_commit_counts_even_if_another_worker_failed() -> None:
    simulation = one_iteration()
    name = run_until(simulation, "i1/respond")
    simulation.fail(name, 70, only=1)
    assert simulation.run_to_end().phase == "Succeeded"
    assert simulation.started.count("i1/respond") == 1


@pytest.mark.parametrize("lingers", [False, True])
def test_a_failed_attempt_whose_pods_go_on_is_removed_when_its_end_is_stored(
    lingers: bool,
) -> None:
    simulation = one_iteration()
    simulation.fail(run_until(simulation, "i1/train"), 70)
    simulation.run_pass()
    (attempt,) = [a for a in simulation.observed().attempts if a.state is AttemptState.FAILED]
    observed = Observed((replace(attempt, lingers=lingers),))
    actions = plan(simulation.run, observed, simulation.now, simulation.environment).actions
    assert [type(action) for action in actions] == ([Remove] if lingers else [])


@pytest.mark.parametrize("edit", [{"selection": {"threshold": 7}}, {"iterations": 2}])
def test_an_edit_resets_failures_although_prepare_runs_again(edit: dict[str, Any]) -> None:
    """The records that the status keeps until prepare has committed had the old failures."""
    simulation = one_iteration()
    run_until(simulation, "i1/generate/r1")
    while not simulation.is_over():
        simulation.fail(simulation.find("i1/generate/r1"), 1)
        simulation.run_until_idle()
        simulation.now += 5 * MINUTE
        simulation.run_until_idle()
    simulation.edit(**edit)
    simulation.run_until_idle()
    simulation.complete(simulation.find("prepare"))
    simulation.run_until_idle()
    (record,) = [r for r in simulation.run.status.stages if r.id == "i1/generate/r1"]
    assert (record.failures, record.hold) == (0, None)
    assert simulation.run_to_end().phase == "Succeeded"


def test_an_attempt_that_stops_while_prepare_runs_again_counts() -> None:
    """Otherwise the next attempt has its number, and so the name of its Job."""
    simulation = one_iteration()
    run_until(simulation, "i1/generate/r1")
    simulation.edit(selection={"threshold": 7})
    simulation.edit(suspend=True)
    simulation.run_until_idle()
    (record,) = [r for r in simulation.run.status.stages if r.id == "i1/generate/r1"]
    assert record.attempts == 1
