"""Stops: the number of an attempt that stops is used, also if the status after the stop is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isheep.planner.plan import plan
from isheep.planner.types import AttemptState, Observed, Start, Stop, Waiting

from .scenarios import run_until
from .simulation import PlannerSimulation


def numbers(simulation: PlannerSimulation, stage: str) -> list[int]:
    """Return the numbers of the attempts that the next plan starts for a stage."""
    actions = simulation.plan().actions
    orders = [action.order for action in actions if isinstance(action, Start)]
    return [order.attempt for order in orders if order.steps[0].id == stage]


def test_an_attempt_that_is_stopping_counts_if_the_status_after_its_stop_is_lost() -> None:
    simulation = PlannerSimulation()
    name = run_until(simulation, "i1/respond")
    simulation.edit(suspend=True)
    lost = simulation.run_pass(lose_status=True)
    assert [type(action) for action in lost.actions] == [Stop]
    assert simulation.attempts[name].state is AttemptState.TERMINATING
    simulation.run_pass()
    simulation.finish_stops()
    simulation.edit(suspend=False)
    assert numbers(simulation, "i1/respond") == [2]


def test_an_attempt_that_the_driver_has_stopped_counts_after_it_is_gone() -> None:
    simulation = PlannerSimulation()
    name = run_until(simulation, "i1/respond")
    stopped = simulation.attempts[name].view(name)
    simulation.delete_attempt(name)
    assert numbers(simulation, "i1/respond") == [1]
    observed = Observed(stopped=(stopped,))
    planned = plan(simulation.run, observed, simulation.now, simulation.environment)
    assert [a.order.attempt for a in planned.actions if isinstance(a, Start)] == [2]
    records = {record.id: record for record in planned.status.stages}
    assert (records["i1/respond"].attempts, records["i1/respond"].failures) == (1, 0)


@pytest.mark.parametrize("rejected", [False, True])
def test_an_attempt_that_does_not_exist_uses_no_number(rejected: bool) -> None:
    simulation = PlannerSimulation()
    name = run_until(simulation, "i1/respond")
    waiting = Waiting("QuotaExceeded", "no", stalled=True)
    attempt = replace(simulation.attempts[name].view(name), waiting=waiting, rejected=rejected)
    simulation.edit(suspend=True)
    planned = plan(simulation.run, Observed((attempt,)), simulation.now, simulation.environment)
    assert planned.actions == (Stop(name, "Suspended"),)
    attempts = {record.id: record.attempts for record in planned.status.stages}
    assert attempts.get("i1/respond", 0) == (0 if rejected else 1)
