"""Jobs whose pods walk through several stages: what starts, what is counted, and what stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from isheep.contract.order import Frontier, Outcome, StageResult, StepResult, canonical_order
from isheep.planner.peers import claims
from isheep.planner.retry_schedule import RETRY_SCHEDULE
from isheep.planner.types import AttemptState, Environment, PodFolders, Stop, Waiting

from .scenarios import MINUTE, conditions_of, run_until
from .simulation import PlannerSimulation, make_run, outcome, spec_with

ON_KUBERNETES = Environment(worker_image="image-1", pods=PodFolders("/claims", "/config-maps"))
GENERATION = ["i1/generate/r1", "i1/curate/r1", "i1/generate/r2", "i1/curate/r2", "i1/respond"]
REST = ["i1/select", "i1/train", "i1/merge", "i1/report"]


def walking(jobs: str = "PerRole", **changes: Any) -> PlannerSimulation:
    """Return the simulation of a run with one iteration on Kubernetes."""
    pool = {"jobs": jobs, **changes.pop("pool", {})}
    spec = spec_with(iterations=1, compute={"inference": pool}, **changes)
    return PlannerSimulation(make_run(spec), environment=ON_KUBERNETES)


def records(simulation: PlannerSimulation) -> dict[str, tuple[int, int, bool]]:
    """Return attempts, failures and whether it is committed, of each stage in the status."""
    stages = simulation.run.status.stages
    return {r.id: (r.attempts, r.failures, r.committed) for r in stages}


@pytest.mark.parametrize(
    ("jobs", "started"),
    [
        ("PerRole", ["prepare", "i1/generate/r1", "i1/assess", *REST]),
        ("Joined", ["prepare", "i1/generate/r1", *REST]),
        ("PerStage", ["prepare", *GENERATION, "i1/assess", *REST]),
    ],
)
def test_the_jobs_of_an_iteration(jobs: str, started: list[str]) -> None:
    simulation = walking(jobs)
    status = simulation.run_to_end()
    assert simulation.started == started
    assert all(record == (1, 0, True) for record in records(simulation).values())
    alone = walking("PerStage")
    # The keys and the results are those of a run with one Job for each stage.
    assert outcome(status) == outcome(alone.run_to_end())
    assert simulation.store == alone.store


def test_a_run_on_one_machine_has_no_walks() -> None:
    simulation = walking()
    simulation.environment = Environment(worker_image="image-1")
    simulation.run_to_end()
    assert simulation.started == ["prepare", *GENERATION, "i1/assess", *REST]


def test_another_assessor_has_its_own_job() -> None:
    spec = spec_with(compute={"inference": {"jobs": "Joined"}}, assessment={"assessor": "Base"})
    simulation = PlannerSimulation(make_run(spec), environment=ON_KUBERNETES)
    simulation.run_to_end()
    assert simulation.started.count("i1/assess") == 0
    assert simulation.started.count("i2/assess") == 1


def test_the_order_of_a_walk() -> None:
    simulation = walking(pool={"parallelism": 8}, instructions={"count": 500, "maxRounds": 10})
    name = run_until(simulation, "i1/generate/r1")
    start = simulation.attempts[name].start
    order = start.order
    assert [step.id for step in order.steps] == ["i1/generate/r1"]
    assert order.walk is not None
    assert (order.walk.grouping, order.walk.claim) == ("PerRole", order.steps[0].key)
    # 500 responses are 8 parts; the 63 completions of the first round are one.
    assert (start.pool, start.parallelism) == ("inference", 8)
    assert {"compute", "storage"}.isdisjoint(order.walk.spec)
    assert len(canonical_order(order)) < 16_000


def test_reported_commits_move_the_status_forward() -> None:
    simulation = walking()
    name = run_until(simulation, "i1/generate/r1")
    simulation.report(name, 3)
    planned = simulation.run_pass()
    assert planned.actions == ()
    assert records(simulation)["i1/curate/r1"] == (1, 0, True)
    assert records(simulation)["i1/curate/r2"] == (0, 0, False)
    assert simulation.run.status.progress == "1/1 curate/r2"
    assert simulation.run.status.phase == "Running"


def test_a_report_of_another_key_has_no_effect() -> None:
    simulation = walking()
    name = run_until(simulation, "i1/generate/r1")
    wrong = StepResult(id="i1/generate/r1", key="0" * 64, statistics={"completions": 5.0})
    unknown = StepResult(id="nonsense", key="1" * 64)
    simulation.attempts[name].committed = (wrong, unknown)
    simulation.run_pass()
    assert records(simulation)["i1/generate/r1"] == (0, 0, False)


@pytest.mark.parametrize("waits", [False, True])
def test_the_next_job_starts_when_the_last_stage_is_reported(waits: bool) -> None:
    simulation = walking()
    name = run_until(simulation, "i1/generate/r1")
    simulation.report(name, len(GENERATION))
    if waits:
        # A pod of the Job has no node, and the other pods have walked to the end.
        simulation.attempts[name].waiting = Waiting("Unschedulable", "no GPU", stalled=True)
    simulation.run_pass()
    assert "i1/assess" in simulation.started
    stopped = simulation.attempts[name].state is AttemptState.TERMINATING
    assert stopped is waits
    simulation.finish_stops()
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_killed_walk_continues_at_its_first_uncommitted_stage() -> None:
    simulation = walking()
    simulation.fail(run_until(simulation, "i1/generate/r1"), 137, only=2)
    simulation.run_pass()
    assert records(simulation)["i1/generate/r2"] == (1, 1, False)
    assert simulation.run.status.last_failure is not None
    assert simulation.run.status.last_failure.stage == "i1/generate/r2"
    simulation.now += 10 * MINUTE
    again = run_until(simulation, "i1/generate/r2")
    order = simulation.attempts[again].order
    assert (order.steps[0].id, order.attempt) == ("i1/generate/r2", 2)
    assert order.walk is not None
    assert order.walk.claim == next(r.key for r in simulation.run.status.stages[1:])
    assert simulation.run_to_end().phase == "Succeeded"
    assert all(times == 1 for times in simulation.committed.values())


def test_a_walk_that_was_killed_without_a_report_is_found_again_in_the_store() -> None:
    simulation = walking()
    name = run_until(simulation, "i1/generate/r1")
    simulation.fail(name, None, only=3)
    simulation.attempts[name].results = ()
    simulation.run_pass()
    assert records(simulation)["i1/generate/r1"] == (1, 1, False)
    simulation.now += 10 * MINUTE
    assert simulation.run_to_end().phase == "Succeeded"
    assert all(times == 1 for times in simulation.committed.values())


def test_each_commit_begins_a_new_count_of_failures() -> None:
    simulation = walking()
    for stage in GENERATION:
        # A stage may fail as often as the schedule has waits; here every stage does.
        for only in (*(0 for _ in RETRY_SCHEDULE[1:]), 1):
            simulation.fail(run_until(simulation, stage), 137, only=only)
            simulation.run_until_idle()
            simulation.now += 20 * MINUTE
        assert records(simulation)[stage][2]
    # Each stage has failed as often as it may, and the run of all stages far more often.
    assert records(simulation)["i1/respond"][:2] == (4, len(RETRY_SCHEDULE))
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_defect_ends_the_run_and_names_the_stage() -> None:
    simulation = walking()
    simulation.fail(run_until(simulation, "i1/generate/r1"), 70, only=4)
    simulation.run_pass()
    assert conditions_of(simulation.run.status)["Failed"] == ("True", "Defect")
    assert simulation.run.status.conditions[0].message.startswith("i1/respond: ")
    # The Job stays, because its log shows the cause.
    simulation.run_pass()
    assert len(simulation.attempts) == 1


def test_a_failure_names_the_stage_in_which_the_worker_was() -> None:
    # Another pod has not yet made its parts of respond.
    simulation = walking("Joined")
    name = run_until(simulation, "i1/generate/r1")
    simulation.report(name, len(GENERATION) - 1)
    simulation.fail(name, 70, only=len(GENERATION) - 1)
    attempt = simulation.attempts[name]
    attempt.results = tuple(r.model_copy(update={"stage": "i1/assess"}) for r in attempt.results)
    simulation.run_pass()
    assert simulation.run.status.last_failure is not None
    assert simulation.run.status.last_failure.stage == "i1/assess"
    assert simulation.run.status.conditions[0].message == "i1/assess: why"


def test_a_failed_job_is_removed_after_the_end_of_its_successor() -> None:
    simulation = walking()
    first = run_until(simulation, "i1/generate/r1")
    simulation.fail(first, 137, only=2)
    simulation.run_until_idle()
    assert first in simulation.attempts
    simulation.now += 10 * MINUTE
    simulation.complete(run_until(simulation, "i1/generate/r2"))
    simulation.run_until_idle()
    assert first not in simulation.attempts


def test_a_walk_that_ends_early_is_no_failure() -> None:
    simulation = walking()
    simulation.complete(run_until(simulation, "i1/generate/r1"), only=2)
    simulation.run_until_idle()
    assert simulation.started[-1] == "i1/generate/r2"
    assert records(simulation)["i1/generate/r2"] == (0, 0, False)
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_worker_image_that_does_not_walk_executes_stage_by_stage() -> None:
    simulation = walking()
    for _ in range(40):
        simulation.run_pass()
        simulation.finish_stops()
        if simulation.is_over():
            break
        for name in simulation.active():
            simulation.complete(name, only=1)
            attempt = simulation.attempts[name]
            attempt.results = tuple(
                r if r.prepared else r.model_copy(update={"frontier": None})
                for r in attempt.results
            )
        simulation.now += timedelta(seconds=1)
    assert simulation.run.status.phase == "Succeeded"
    assert records(simulation)["i1/respond"] == (1, 0, True)


@pytest.mark.parametrize(
    ("jobs", "edit", "stops"),
    [
        ("PerRole", {"selection": {"threshold": 2}}, False),
        ("PerRole", {"assessment": {"rubric": "Simple"}}, False),
        ("Joined", {"assessment": {"rubric": "Simple"}}, True),
        ("PerRole", {"responses": {"sampling": {"temperature": 0.5}}}, True),
        ("PerRole", {"curation": {"rules": "None"}}, True),
        ("PerRole", {"training": {"learningRate": 0.001}}, False),
        ("PerRole", {"suspend": True}, True),
    ],
)
def test_an_edit_stops_a_walk_if_it_changes_a_stage_that_the_walk_reaches(
    jobs: str, edit: dict[str, Any], stops: bool
) -> None:
    simulation = walking(jobs)
    name = run_until(simulation, "i1/generate/r1")
    simulation.edit(**edit)
    for _ in range(8):
        planned = simulation.run_pass()
        if name not in simulation.active():
            break
        for other in simulation.active():
            if other.startswith("prepare"):
                simulation.complete(other)
    stopped = simulation.attempts[name].state is AttemptState.TERMINATING
    assert stopped is stops
    assert not stops or any(isinstance(a, Stop) for a in planned.actions)
    simulation.finish_stops()
    simulation.edit(suspend=False)
    assert simulation.run_to_end().phase == "Succeeded"


def test_a_result_from_before_an_edit_is_not_used_for_other_keys() -> None:
    simulation = walking()
    name = run_until(simulation, "i1/generate/r1")
    simulation.complete(name)
    (result,) = simulation.attempts[name].results
    simulation.attempts[name].results = (result.model_copy(update={"steps": ()}),)
    simulation.edit(curation={"rules": "None"})
    status = simulation.run_to_end()
    alone = walking(curation={"rules": "None"})
    assert outcome(status) == outcome(alone.run_to_end())


def test_a_result_with_twenty_rounds_fits_into_its_message() -> None:
    simulation = walking(instructions={"count": 8000, "maxRounds": 20})
    simulation.yield_per_completion = 0.15
    simulation.run_to_end()
    status = simulation.run.status
    assert simulation.started == ["prepare", "i1/generate/r1", "i1/report"]
    assert conditions_of(status)["Failed"] == ("True", "KeepRateTooLow")
    assert "7999 of 8000 instructions accepted" in status.conditions[0].message
    # The last rounds have all their counts, and the first ones the essential counts.
    assert "rouge-l" in status.conditions[0].message
    counts = {r.id: r.counts for r in status.stages}
    assert counts["i1/curate/r20"]["drop:rouge-l"] == 3
    assert counts["i1/curate/r1"] == {"accepted": 150}


def test_a_peer_with_the_same_walk_waits_although_it_is_one_round_ahead() -> None:
    older = walking()
    name = run_until(older, "i1/generate/r1")
    peer = claims(older.run, older.observed().attempts)
    spec = spec_with(iterations=1, compute={"inference": {"jobs": "PerRole"}})
    younger = PlannerSimulation(
        make_run(spec, name="younger", uid="uid-2", created=older.now),
        environment=ON_KUBERNETES,
        # The older run has committed the first round, and its status does not show it yet.
        store=older.store,
    )
    older.report(name, 2)
    younger.peers = (peer,)
    younger.run_until_idle()
    younger.complete(younger.find("prepare"))
    younger.run_until_idle()
    assert younger.active() == []
    assert conditions_of(younger.run.status)["Reconciling"] == ("True", "WaitingForPeer")
    older.run_to_end()
    younger.peers = ()
    younger.now = older.now + MINUTE
    assert younger.run_to_end().phase == "Succeeded"
    assert younger.started == ["prepare", "i1/generate/r2", "i1/assess", *REST] or (
        "i1/generate/r1" not in younger.started
    )
    assert all(times == 1 for times in younger.committed.values())


def test_runs_that_differ_in_their_assessment_assess_at_the_same_time() -> None:
    first, second = walking(), walking(assessment={"rubric": "Simple"})
    second.run = replace(second.run, name="second", uid="uid-2")
    run_until(first, "i1/assess")
    second.peers = (claims(first.run, first.observed().attempts),)
    run_until(second, "i1/assess")
    assert len(second.active()) == 1


def test_a_frontier_with_another_digest_is_ignored() -> None:
    simulation = walking()
    name = run_until(simulation, "i1/generate/r1")
    attempt = simulation.attempts[name]
    attempt.state, attempt.exit_code, attempt.finished = AttemptState.SUCCEEDED, 0, simulation.now
    frontier = Frontier(count=1, first="i1/generate/r1", keys_digest="0" * 16)
    attempt.results = (StageResult(outcome=Outcome.COMMITTED, frontier=frontier),)
    simulation.run_pass()
    assert records(simulation)["i1/generate/r1"] == (1, 1, False)
