"""Scenarios that the tests of the plan share: a run with one iteration, up to a given stage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from isheep.api.status import SelfAlignmentRunStatus

from .simulation import PlannerSimulation, make_run, spec_with

MINUTE = timedelta(minutes=1)


def one_iteration(**changes: Any) -> PlannerSimulation:
    """Return the simulation of a run with one iteration and these changes of the spec."""
    return PlannerSimulation(make_run(spec_with(**{"iterations": 1, **changes})))


def run_until(simulation: PlannerSimulation, stage: str) -> str:
    """Complete attempts until a stage is running; return the name of its attempt."""
    for _ in range(60):
        simulation.run_until_idle()
        found = [
            n
            for n in simulation.active()
            if stage in {s.id for s in simulation.attempts[n].order.steps}
        ]
        if found:
            return found[0]
        for name in simulation.active():
            simulation.complete(name)
    raise AssertionError(f"{stage} did not start within 60 passes")


def conditions_of(status: SelfAlignmentRunStatus) -> dict[str, tuple[str, str]]:
    """Return the status and the reason of each condition, by type."""
    return {c.type: (c.status, c.reason) for c in status.conditions}
