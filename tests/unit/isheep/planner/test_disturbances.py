"""Whatever happens on the way, a run ends as it would have ended undisturbed.

Attempts complete, fail in every way and vanish, in any order; the status write is
lost, actions are left undone, the driver restarts; the user edits, suspends, retries;
the clock jumps; another operator version has raised every stage's version. The world
itself breaks the test when a stage is started that is committed or at work.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from isheep.planner import pinning
from isheep.recipes.stage_kinds import STAGE_VERSIONS

from .world import START, World, make_run, outcome, spec_with

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
)

COUNTED = (74, 137, None)
UNCOUNTED = (143, 69, 80)
TERMINAL = (64, 70)


class Disturbed(RuleBasedStateMachine):
    """One run, disturbed in every way that the planner must bear."""

    @initialize(joined=st.booleans(), iterations=st.integers(1, 2))
    def begin(self, joined: bool, iterations: int) -> None:
        jobs = "Joined" if joined else "PerStage"
        spec = spec_with(iterations=iterations, compute={"inference": {"jobs": jobs}})
        self.world = World(make_run(spec))
        self.retries = 0

    @rule(lose=st.booleans(), do=st.one_of(st.none(), st.integers(0, 2)))
    def turn(self, lose: bool, do: int | None) -> None:
        self.world.turn(lose_status=lose, do=do)

    @rule()
    def turn_well(self) -> None:
        self.world.turn()

    @rule()
    def settle(self) -> None:
        """Planning again over a world in which everything was carried out asks for nothing."""
        settled = self.world.settle()
        again = self.world.turn()
        assert (again.actions, again.status) == ((), settled.status)

    @precondition(lambda self: self.world.active())
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        self.world.complete(data.draw(st.sampled_from(self.world.active())))

    @precondition(lambda self: self.world.active())
    @rule(data=st.data(), code=st.sampled_from(COUNTED + UNCOUNTED + TERMINAL))
    def fail(self, data: st.DataObject, code: int | None) -> None:
        name = data.draw(st.sampled_from(self.world.active()))
        steps = len(self.world.jobs[name].order.steps)
        self.world.fail(name, code, only=data.draw(st.integers(0, steps - 1)))

    @precondition(lambda self: self.world.active())
    @rule(data=st.data())
    def say_done_without_a_commit(self, data: st.DataObject) -> None:
        self.world.complete(data.draw(st.sampled_from(self.world.active())), only=0)

    @precondition(lambda self: self.world.jobs)
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        self.world.vanish(data.draw(st.sampled_from(sorted(self.world.jobs))))

    @rule()
    def stopped_go(self) -> None:
        self.world.settle_stopping()

    @rule()
    def restart(self) -> None:
        """The local driver dies, and its workers with it."""
        self.world.jobs.clear()

    @rule(edit=st.sampled_from(EDITS))
    def edit(self, edit: dict[str, Any]) -> None:
        self.world.edit(**edit)

    @rule(suspend=st.booleans())
    def suspend(self, suspend: bool) -> None:
        self.world.edit(suspend=suspend)

    @rule()
    def retry(self) -> None:
        self.retries += 1
        self.world.retry(str(self.retries))

    @rule(minutes=st.integers(-90, 90))
    def jump(self, minutes: int) -> None:
        self.world.now = max(START, self.world.now + timedelta(minutes=minutes))

    @rule()
    def wait(self) -> None:
        made = self.world.turn()
        if made.wake_at is not None:
            self.world.now = max(self.world.now, made.wake_at)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.edit(suspend=False)
        world.drive()
        # Every failure was forgiven or there is one left to retry: both are ends.
        world.retry("at last")
        status = world.drive()
        calm = World(make_run(dict(world.run.spec)))
        assert outcome(status) == outcome(calm.drive())
        assert all(times == 1 for times in world.committed.values())


Disturbed.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestDisturbed = Disturbed.TestCase


@pytest.mark.parametrize("stop_after", range(1, 22, 4))
def test_raised_stage_versions_change_nothing_for_a_pinned_run(
    monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    calm = World()
    expected = outcome(calm.drive())
    world = World()
    for _ in range(stop_after):
        world.turn()
        for name in world.active():
            world.complete(name)
    raised = {kind: version + 1 for kind, version in STAGE_VERSIONS.items()}
    monkeypatch.setattr(pinning, "STAGE_VERSIONS", raised)
    world.environment = replace(world.environment, worker_image="image-2")
    assert outcome(world.drive()) == expected
    assert world.run.status.resolved is not None
    assert world.run.status.resolved["workerImage"] == "image-1"
    assert sum(world.committed.values()) == sum(calm.committed.values())
