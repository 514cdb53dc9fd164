"""Changes by the user: edits, suspension, the deadline and deletion."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from isheep.planner.types import Start, Stop

from .scenarios import conditions_of, one_iteration, run_until
from .simulation import START


def test_suspension_stops_attempts_and_resumption_starts_the_next_ones() -> None:
    simulation = one_iteration()
    name = run_until(simulation, "i1/respond")
    simulation.edit(suspend=True)
    planned = simulation.run_pass()
    assert planned.actions == (Stop(name, "Suspended"),)
    assert conditions_of(planned.status) == {
        "Ready": ("False", "Suspended"),
        "Suspended": ("True", "Suspended"),
    }
    assert (planned.status.phase, planned.wake_at) == ("Suspended", None)
    simulation.now += timedelta(days=300)
    assert simulation.run_pass().actions == ()
    simulation.edit(suspend=False)
    # An attempt that is being stopped still occupies its stage.
    assert simulation.run_pass().actions == ()
    assert conditions_of(simulation.run.status)["Reconciling"] == ("True", "Stopping")
    simulation.finish_stops()
    simulation.run_pass()
    (again,) = simulation.active()
    assert simulation.attempts[again].order.attempt == 2
    # The time of the suspension does not count against the deadline.
    assert simulation.run.status.start_time == simulation.now
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_run_that_ends_just_when_somebody_suspends_it_keeps_the_time_of_its_start() -> None:
    simulation = one_iteration()
    simulation.complete(run_until(simulation, "i1/report"))
    simulation.edit(suspend=True)
    status = simulation.run_pass().status
    assert (status.phase, status.start_time) == ("Succeeded", START)


def test_a_run_that_has_ended_keeps_the_time_of_its_start_when_somebody_suspends_it() -> None:
    simulation = one_iteration()
    before = simulation.run_to_end()
    simulation.now += timedelta(days=1)
    simulation.edit(suspend=True)
    status = simulation.run_pass().status
    assert (status.phase, status.observed_generation) == ("Succeeded", simulation.run.generation)
    assert status.start_time == before.start_time
    # Its time to live begins again, because somebody has changed it.
    assert status.completion_time == simulation.now


def test_the_deadline_fails_the_run_and_a_retry_restarts_the_deadline() -> None:
    simulation = one_iteration(activeDeadlineSeconds=600)
    name = run_until(simulation, "i1/respond")
    planned = simulation.run_pass()
    assert planned.wake_at == START + timedelta(seconds=600)
    simulation.now = planned.wake_at
    planned = simulation.run_pass()
    assert planned.actions == (Stop(name, "DeadlineExceeded"),)
    assert conditions_of(planned.status)["Failed"] == ("True", "DeadlineExceeded")
    simulation.finish_stops()
    simulation.retry("more time")
    assert simulation.run_to_end().phase == "Succeeded"


def test_an_edit_stops_the_stages_that_left_the_plan_and_no_others() -> None:
    simulation = one_iteration()
    name = run_until(simulation, "i1/respond")
    simulation.edit(selection={"threshold": 3})
    planned = simulation.run_pass()
    # Nothing is stopped before the result of prepare.
    assert [type(a) for a in planned.actions] == [Start]
    simulation.complete(simulation.find("prepare"))
    assert not any(isinstance(a, Stop) for a in simulation.run_pass().actions)
    assert name in simulation.active()
    simulation.edit(responses={"sampling": {"maxTokens": 77}})
    simulation.run_pass()
    simulation.complete(simulation.find("prepare"))
    assert Stop(name, "its stage left the plan") in simulation.run_pass().actions
    simulation.finish_stops()
    assert simulation.run_to_end().phase == "Succeeded"
    assert simulation.started.count("i1/generate/r1") == 1


def test_an_attempt_is_stopped_if_its_stage_is_committed_meanwhile() -> None:
    simulation = one_iteration()
    name = run_until(simulation, "i1/respond")
    key = simulation.attempts[name].order.steps[0].key
    simulation.store[key] = {"pairs": 40.0}
    simulation.edit(selection={"threshold": 3})
    simulation.run_pass()
    simulation.complete(simulation.find("prepare"))
    assert Stop(name, "its stage left the plan") in simulation.run_pass().actions
    simulation.finish_stops()
    assert simulation.run_to_end().phase == "Succeeded"
    assert simulation.started.count("i1/respond") == 1


def test_an_edit_of_the_threshold_begins_at_select() -> None:
    simulation = one_iteration()
    simulation.run_to_end()
    simulation.started.clear()
    simulation.edit(selection={"threshold": 3})
    simulation.run_to_end()
    assert simulation.started == ["prepare", "i1/select", "i1/train", "i1/merge", "i1/report"]
    simulation.started.clear()
    simulation.edit(selection={"threshold": 6})
    simulation.run_to_end()
    assert simulation.started == ["prepare", "i1/report"]


def test_an_edit_of_compute_starts_nothing_in_a_complete_run() -> None:
    simulation = one_iteration()
    simulation.run_to_end()
    simulation.started.clear()
    simulation.edit(compute={"inference": {"parallelism": 4}})
    status = simulation.run_to_end()
    assert simulation.started == []
    assert status.observed_generation == 2
    assert status.phase == "Succeeded"


def test_nothing_is_planned_for_a_run_that_is_being_deleted() -> None:
    simulation = one_iteration()
    run_until(simulation, "i1/respond")
    simulation.run = replace(simulation.run, deleting=True)
    planned = simulation.plan()
    assert (planned.actions, planned.status, planned.wake_at) == ((), simulation.run.status, None)
