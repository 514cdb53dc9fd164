"""A disturbed run ends as the same run ends without disturbances.

Attempts complete, fail in every way and disappear, in any order. Status writes fail, actions are
not executed, and the driver restarts. The user edits, suspends and retries. The clock jumps, and
another version of the operator has higher stage versions. The simulation fails the test if a stage
is started that is running or committed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from isheep.contract.choices import WalkGrouping
from isheep.planner import pinning
from isheep.planner.types import Environment, PodFolders
from isheep.recipes.stage_kinds import STAGE_VERSIONS

from .simulation import START, PlannerSimulation, make_run, outcome, spec_with

EDITS: tuple[dict[str, Any], ...] = (
    {"selection": {"threshold": 2}},
    {"selection": {"threshold": 6}},
    {"instructions": {"count": 24}},
    {"instructions": {"count": 40}},
    {"iterations": 1},
    {"iterations": 2},
    {"model": {"storageUri": "hf://org/other"}},
    {"model": {"storageUri": "hf://org/model"}},
    {"training": {"startFrom": "Previous"}},
    {"compute": {"inference": {"jobs": "Joined"}}},
    {"compute": {"inference": {"jobs": "PerStage"}}},
    {"compute": {"inference": {"jobs": "PerRole"}}},
)
ON_KUBERNETES = Environment(worker_image="image-1", pods=PodFolders("/claims", "/config-maps"))

COUNTED = (74, 137, None)
UNCOUNTED = (143, 69, 80)
TERMINAL = (64, 70)


class DisturbedRun(RuleBasedStateMachine):
    """One run with every kind of disturbance that the planner must handle."""

    @initialize(
        jobs=st.sampled_from(get_args(WalkGrouping)),
        iterations=st.integers(1, 2),
        environment=st.sampled_from((ON_KUBERNETES, Environment(worker_image="image-1"))),
    )
    def begin(self, jobs: str, iterations: int, environment: Environment) -> None:
        compute = {"jobs": "Run"} if jobs == "Run" else {"inference": {"jobs": jobs}}
        spec = spec_with(iterations=iterations, compute=compute)
        self.simulation = PlannerSimulation(make_run(spec), environment=environment)
        self.retries = 0

    @rule(lose=st.booleans(), action_limit=st.one_of(st.none(), st.integers(0, 2)))
    def run_a_disturbed_pass(self, lose: bool, action_limit: int | None) -> None:
        self.simulation.run_pass(lose_status=lose, action_limit=action_limit)

    @rule()
    def run_a_pass(self) -> None:
        self.simulation.run_pass()

    @rule()
    def run_until_idle(self) -> None:
        """A plan has no actions and the same status after all actions were executed."""
        idle = self.simulation.run_until_idle()
        again = self.simulation.run_pass()
        assert (again.actions, again.status) == ((), idle.status)

    @precondition(lambda self: self.simulation.active())
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        self.simulation.complete(data.draw(st.sampled_from(self.simulation.active())))

    @precondition(lambda self: self.simulation.active())
    @rule(data=st.data(), code=st.sampled_from(COUNTED + UNCOUNTED + TERMINAL))
    def fail(self, data: st.DataObject, code: int | None) -> None:
        name = data.draw(st.sampled_from(self.simulation.active()))
        order = self.simulation.attempts[name].order
        most = 4 if order.walk is not None else len(order.steps) - 1
        self.simulation.fail(name, code, only=data.draw(st.integers(0, most)))

    @precondition(lambda self: self.walking())
    @rule(data=st.data(), count=st.integers(0, 4))
    def report_commits(self, data: st.DataObject, count: int) -> None:
        self.simulation.report(data.draw(st.sampled_from(self.walking())), count)

    @precondition(lambda self: self.simulation.active())
    @rule(data=st.data())
    def complete_without_a_commit(self, data: st.DataObject) -> None:
        self.simulation.complete(data.draw(st.sampled_from(self.simulation.active())), only=0)

    @precondition(lambda self: self.simulation.attempts)
    @rule(data=st.data())
    def delete_attempt(self, data: st.DataObject) -> None:
        self.simulation.delete_attempt(data.draw(st.sampled_from(sorted(self.simulation.attempts))))

    @rule()
    def finish_stops(self) -> None:
        self.simulation.finish_stops()

    @rule()
    def restart(self) -> None:
        """The local driver ends, and its workers end with it."""
        self.simulation.attempts.clear()

    @rule(edit=st.sampled_from(EDITS))
    def edit(self, edit: dict[str, Any]) -> None:
        self.simulation.edit(**edit)

    @rule(suspend=st.booleans())
    def suspend(self, suspend: bool) -> None:
        self.simulation.edit(suspend=suspend)

    @rule()
    def retry(self) -> None:
        self.retries += 1
        self.simulation.retry(str(self.retries))

    @rule(minutes=st.integers(-90, 90))
    def change_the_clock(self, minutes: int) -> None:
        self.simulation.now = max(START, self.simulation.now + timedelta(minutes=minutes))

    @rule()
    def wait(self) -> None:
        planned = self.simulation.run_pass()
        if planned.wake_at is not None:
            self.simulation.now = max(self.simulation.now, planned.wake_at)

    def walking(self) -> list[str]:
        attempts = self.simulation.attempts
        return [n for n in self.simulation.active() if attempts[n].order.walk is not None]

    def teardown(self) -> None:
        if not hasattr(self, "simulation"):
            return
        simulation = self.simulation
        simulation.edit(suspend=False)
        simulation.run_to_end()
        # The run has succeeded, or it has failed and this retry lets it succeed.
        simulation.retry("last")
        status = simulation.run_to_end()
        undisturbed = PlannerSimulation(
            make_run(dict(simulation.run.spec)), environment=simulation.environment
        )
        assert outcome(status) == outcome(undisturbed.run_to_end())
        assert all(times == 1 for times in simulation.committed.values())


class OftenDisturbedRun(DisturbedRun):
    """The same run, for more examples."""


FEW = settings(
    max_examples=20,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
DisturbedRun.TestCase.settings = FEW
TestDisturbedRun = DisturbedRun.TestCase
OftenDisturbedRun.TestCase.settings = settings(FEW, max_examples=400)
TestOftenDisturbedRun = pytest.mark.long(OftenDisturbedRun.TestCase)


@pytest.mark.parametrize("stop_after", range(1, 22, 4))
def test_higher_stage_versions_change_nothing_for_a_pinned_run(
    monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    undisturbed = PlannerSimulation()
    expected = outcome(undisturbed.run_to_end())
    simulation = PlannerSimulation()
    for _ in range(stop_after):
        simulation.run_pass()
        for name in simulation.active():
            simulation.complete(name)
    raised = {kind: version + 1 for kind, version in STAGE_VERSIONS.items()}
    monkeypatch.setattr(pinning, "STAGE_VERSIONS", raised)
    simulation.environment = replace(simulation.environment, worker_image="image-2")
    assert outcome(simulation.run_to_end()) == expected
    assert simulation.run.status.resolved is not None
    assert simulation.run.status.resolved["workerImage"] == "image-1"
    assert sum(simulation.committed.values()) == sum(undisturbed.committed.values())
