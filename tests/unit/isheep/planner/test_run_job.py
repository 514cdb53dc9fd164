"""One Job for a whole run (`compute.jobs: Run`): what starts, what is counted, and what stops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isheep.planner.peers import Plans, claims, holder
from isheep.planner.types import AttemptState, Remove

from .scenarios import MINUTE, conditions_of, run_until
from .simulation import PlannerSimulation, make_run, outcome, spec_with
from .test_job_walks import ON_KUBERNETES, records


def whole(iterations: int = 2, **changes: Any) -> PlannerSimulation:
    spec = spec_with(iterations=iterations, compute={"jobs": "Run"}, **changes)
    return PlannerSimulation(make_run(spec), environment=ON_KUBERNETES)


def committed(simulation: PlannerSimulation) -> list[str]:
    return [record.id for record in simulation.run.status.stages if record.committed]


def test_a_run_has_one_job_after_prepare_and_the_same_result() -> None:
    simulation = whole()
    status = simulation.run_to_end()
    assert simulation.started == ["prepare", "i1/generate/r1"]
    alone = PlannerSimulation(make_run(spec_with(iterations=2)), environment=ON_KUBERNETES)
    expected = outcome(alone.run_to_end())
    # The frontier of a result has rounded statistics.
    assert {**outcome(status), "history": ()} == {**expected, "history": ()}
    assert [i.kept for i in status.history] == [i.kept for i in expected["history"]]
    assert simulation.store == alone.store


def test_the_order_of_the_job_is_for_one_pod_of_the_inference_pool() -> None:
    simulation = whole(instructions={"count": 500, "maxRounds": 10})
    start = simulation.attempts[run_until(simulation, "i1/generate/r1")].start
    assert (start.pool, start.parallelism) == ("inference", 1)
    assert start.order.walk is not None
    assert start.order.walk.grouping == "Run"
    assert start.order.walk.claim == start.order.steps[0].key


def test_on_one_machine_the_field_has_no_effect() -> None:
    simulation = whole(1)
    simulation.environment = replace(simulation.environment, pods=None)
    simulation.run_to_end()
    assert "i1/train" in simulation.started


@pytest.mark.parametrize("done", [1, 6, 8, 9, 10, 14])
def test_a_killed_job_continues_at_its_first_uncommitted_stage(done: int) -> None:
    simulation = whole()
    simulation.fail(run_until(simulation, "i1/generate/r1"), 137, only=done)
    simulation.run_pass()
    (waiting,) = [r for r in simulation.run.status.stages if not r.committed]
    assert records(simulation)[waiting.id] == (1, 1, False)
    assert len(committed(simulation)) == done + 1
    simulation.now += 10 * MINUTE
    again = run_until(simulation, waiting.id)
    claim = simulation.attempts[again].start.walk
    iteration = waiting.id.partition("/")[0]
    first = next(r for r in simulation.run.status.stages if r.id == f"{iteration}/generate/r1")
    assert claim is not None
    assert claim.claim == first.key
    assert simulation.run_to_end().phase == "Succeeded"
    assert simulation.started == ["prepare", "i1/generate/r1", waiting.id]
    assert all(times == 1 for times in simulation.committed.values())


def test_a_defect_in_a_training_ends_the_run_and_names_the_stage() -> None:
    simulation = whole()
    name = run_until(simulation, "i1/generate/r1")
    simulation.fail(name, 70, only=7)
    simulation.run_pass()
    assert conditions_of(simulation.run.status)["Failed"] == ("True", "Defect")
    assert simulation.run.status.last_failure is not None
    assert simulation.run.status.last_failure.stage == "i1/train"
    simulation.run_pass()
    assert list(simulation.attempts) == [name]


@pytest.mark.parametrize(
    ("edit", "stops"),
    [
        ({"training": {"learningRate": 0.001}}, True),
        ({"assessment": {"rubric": "Simple"}}, True),
        ({"iterations": 3}, True),
        ({"activeDeadlineSeconds": 100000}, False),
    ],
)
def test_an_edit_stops_the_job_if_it_changes_any_later_stage(
    edit: dict[str, Any], stops: bool
) -> None:
    simulation = whole()
    name = run_until(simulation, "i1/generate/r1")
    simulation.edit(**edit)
    for _ in range(8):
        simulation.run_pass()
        for other in simulation.active():
            if other.startswith("prepare"):
                simulation.complete(other)
    assert (simulation.attempts[name].state is AttemptState.TERMINATING) is stops
    simulation.finish_stops()
    assert simulation.run_to_end().phase == "Succeeded"


def test_twenty_iterations_fit_into_one_message() -> None:
    simulation = whole(20, instructions={"count": 300, "maxRounds": 10})
    name = run_until(simulation, "i1/generate/r1")
    simulation.complete(name)
    (result,) = simulation.attempts[name].results
    assert result.frontier is not None
    left = result.frontier.count
    status = simulation.run_to_end()
    assert status.phase == "Succeeded"
    # The stages that the first result omits are found by a second Job, which makes nothing again.
    assert len(status.stages) > left
    assert len(simulation.started) <= 3
    assert all(times == 1 for times in simulation.committed.values())


def test_a_peer_waits_only_for_the_iteration_in_which_the_job_is() -> None:
    simulation = whole()
    name = run_until(simulation, "i1/generate/r1")
    other = make_run(spec_with(iterations=2), name="other", uid="uid-2")

    def waits(stage: str) -> bool:
        peer = claims(simulation.run, simulation.observed().attempts)
        key = next(r.key for r in simulation.run.status.stages if r.id == stage)
        return holder(other, [peer], Plans({key})) is not None

    simulation.report(name, 2)
    simulation.run_pass()
    assert waits("i1/generate/r1")
    simulation.report(name, 6)  # the inference of iteration 1 is committed
    simulation.run_pass()
    assert not waits("i1/generate/r1")
    assert waits("i1/select")
    simulation.report(name, 12)
    simulation.run_pass()
    assert waits("i2/generate/r1")
    assert not waits("i1/train")


def test_a_job_whose_last_message_is_lost_stays_until_its_progress_is_in_the_status() -> None:
    simulation = whole()
    name = run_until(simulation, "i1/generate/r1")
    simulation.report(name, 1)
    simulation.run_pass()
    assert committed(simulation) == ["prepare", "i1/generate/r1"]
    simulation.report(name, 3)
    simulation.attempts[name].state = AttemptState.SUCCEEDED
    for lose_status in (True, False):
        planned = simulation.run_pass(lose_status=lose_status)
        assert Remove(name) not in planned.actions
        assert planned.wake_at == simulation.now
    assert Remove(name) in simulation.run_pass().actions
