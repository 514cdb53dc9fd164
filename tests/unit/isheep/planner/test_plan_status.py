"""The status: conditions, transition times, progress, GPU seconds and size."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from isheep.api.status import SelfAlignmentRunStatus
from isheep.planner.plan import plan
from isheep.planner.types import Start, Waiting

from .scenarios import MINUTE, conditions_of, one_iteration, run_until
from .simulation import START, PlannerSimulation, make_run, spec_with


def test_the_first_status_of_a_run_is_pending() -> None:
    simulation = one_iteration()
    planned = simulation.run_pass()
    assert [type(a) for a in planned.actions] == [Start]
    assert planned.status.phase == "Pending"
    assert planned.status.observed_generation == 1
    assert conditions_of(planned.status) == {
        "Ready": ("False", "Running"),
        "Reconciling": ("True", "Running"),
    }
    assert {c.observed_generation for c in planned.status.conditions} == {1}
    assert planned.wake_at == START + timedelta(seconds=31536000)
    assert simulation.run_pass().status.phase == "Running"


def test_the_conditions_show_what_an_attempt_waits_for() -> None:
    simulation = one_iteration()
    name = run_until(simulation, "i1/generate/r1")
    simulation.attempts[name].waiting = Waiting(
        "SecretNotFound", "there is no Secret s3", stalled=True
    )
    status = simulation.run_pass().status
    assert conditions_of(status)["Stalled"] == ("True", "SecretNotFound")
    assert "Failed" not in conditions_of(status)
    simulation.attempts[name].waiting = Waiting("Queued", "behind other Jobs", stalled=False)
    assert conditions_of(simulation.run_pass().status) == {
        "Ready": ("False", "Queued"),
        "Reconciling": ("True", "Queued"),
    }
    simulation.attempts[name].waiting = None
    assert simulation.run_pass().status.phase == "Running"


def test_a_transition_time_changes_only_with_the_status_of_its_condition() -> None:
    simulation = one_iteration()
    simulation.run_pass()
    run_until(simulation, "i1/generate/r1")
    simulation.now += MINUTE
    run_until(simulation, "i1/respond")
    ready, reconciling = simulation.run.status.conditions
    assert (ready.last_transition_time, reconciling.last_transition_time) == (START, START)
    simulation.now += MINUTE
    simulation.edit(suspend=True)
    simulation.run_pass()
    ready, suspended = simulation.run.status.conditions
    assert ready.last_transition_time == START
    assert suspended.last_transition_time == simulation.now


def test_progress_and_the_estimate_change_only_with_the_items() -> None:
    simulation = PlannerSimulation()
    name = run_until(simulation, "i2/respond")
    view = simulation.attempts[name].view(name)
    observed = replace(simulation.observed(), attempts=(replace(view, items_done=10),))
    simulation.now += timedelta(seconds=100)

    def plan_now() -> SelfAlignmentRunStatus:
        status = plan(simulation.run, observed, simulation.now, simulation.environment).status
        simulation.run = replace(simulation.run, status=status)
        return status

    status = plan_now()
    assert status.progress == "2/2 respond 25%"
    assert status.stage is not None
    assert status.stage.estimated_remaining_seconds == 300
    simulation.now += timedelta(seconds=100)
    assert plan_now() == status


def test_gpu_seconds_count_the_run_time_of_all_attempts() -> None:
    limits = {"resources": {"limits": {"nvidia.com/gpu": 8}}}
    simulation = one_iteration(compute={"training": limits})
    name = run_until(simulation, "i1/train")
    simulation.now += MINUTE
    simulation.fail(name, 143)
    simulation.run_pass()
    simulation.now += MINUTE
    simulation.run_pass()
    simulation.now += MINUTE
    (history,) = simulation.run_to_end().history
    assert history.gpu_seconds == 8 * (60 + 60)


def test_the_gpu_time_of_stages_that_an_edit_removes_stays_in_the_sum_by_stage() -> None:
    limits = {"resources": {"limits": {"nvidia.com/gpu": 2}}}
    simulation = one_iteration(compute={"inference": limits, "training": limits})

    def by_stage() -> dict[str, float]:
        status = simulation.run.status
        assert status.gpu is not None
        shown = {r.id: r.gpu_seconds for r in status.stages if r.gpu_seconds is not None}
        assert not shown.keys() & status.gpu.other_stages.keys()
        sums = {**shown, **status.gpu.other_stages}
        assert sum(sums.values()) == sum(status.gpu.seconds.values()) > 0
        return sums

    def work_until(end: str) -> None:
        while simulation.run.status.phase != end:
            simulation.run_until_idle()
            simulation.now += MINUTE
            for name in simulation.active():
                simulation.complete(name)
            simulation.run_pass()
            by_stage()

    run_until(simulation, "i1/generate/r1")
    work_until("Succeeded")
    before = by_stage()
    simulation.edit(instructions={"count": 50})
    run_until(simulation, "i1/generate/r1")
    # The outputs of the later stages are outdated, so the status does not show these stages.
    assert simulation.run.status.gpu is not None
    assert simulation.run.status.gpu.other_stages.keys() >= {"i1/assess", "i1/train"}
    work_until("Succeeded")
    after = by_stage()
    assert after["i1/train"] == 2 * before["i1/train"]
    assert simulation.run.status.gpu.other_stages == {}


def test_the_status_of_twenty_iterations_fits_into_a_kubernetes_object() -> None:
    simulation = PlannerSimulation(
        make_run(spec_with(iterations=20, instructions={"count": 10000}))
    )
    simulation.yield_per_completion = 1.0
    for _ in range(4):
        name = run_until(simulation, "i1/train")
        simulation.fail(name, 137)
        planned = simulation.run_until_idle()
        simulation.now = planned.wake_at or simulation.now
    simulation.retry("again")
    status = simulation.run_to_end()
    assert status.phase == "Succeeded"
    assert len(json.dumps(status.document()).encode()) < 128 * 1024
    assert len(status.stages) > 200
    assert len(status.history) == 20
