"""Claims: two runs that are planned one after the other do not start the same stage."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from isheep.api.status import Hold, SelfAlignmentRunStatus
from isheep.kube.passes.claims import Claims, Scope
from isheep.planner.plan import plan
from isheep.planner.types import (
    Attempt,
    AttemptState,
    JobWalk,
    Observed,
    Peer,
    Plan,
    Remove,
    RunView,
    StageRef,
    Start,
)

from ...planner.scenarios import run_until
from ...planner.simulation import START, PlannerSimulation, make_run

SCOPE: Scope = ("ns", "bucket")


def prepared(uid: str, age: int = 0) -> PlannerSimulation:
    """Return a run whose prepare is complete, before the next plan."""
    run = make_run(uid=uid, name=f"run-{uid}", created=START - timedelta(minutes=age))
    simulation = PlannerSimulation(run)
    simulation.run_pass()
    simulation.complete(simulation.find("prepare"))
    return simulation


def planned(
    claims: Claims, simulation: PlannerSimulation, scope: Scope = SCOPE
) -> tuple[Plan, set[str]]:
    """Plan a run as a pass does, with no await between the plan and its claims."""
    uid = simulation.run.uid
    observed = Observed(simulation.observed().attempts, claims.peers(scope, uid))
    result = plan(simulation.run, observed, simulation.now, simulation.environment)
    view = replace(simulation.run, status=result.status)
    woken = claims.state(scope, view, observed.attempts, result.actions)
    simulation.run = view
    return result, woken


def starts(result: Plan) -> list[str]:
    return [a.order.steps[0].id for a in result.actions if isinstance(a, Start)]


def reason(simulation: PlannerSimulation) -> str:
    return simulation.run.status.conditions[0].reason


@pytest.mark.parametrize(
    "ages", [(0, 0), (1, 0), (0, 1)], ids=["equal ages", "first is older", "second is older"]
)
def test_only_one_of_two_runs_that_are_planned_at_once_starts(ages: tuple[int, int]) -> None:
    claims = Claims()
    first, second = (prepared(uid, age) for uid, age in zip("ab", ages, strict=True))
    assert starts(planned(claims, first)[0]) == ["i1/generate/r1"]
    assert starts(planned(claims, second)[0]) == []
    assert reason(second) == "WaitingForPeer"
    assert "run-a" in second.run.status.conditions[0].message


@pytest.mark.parametrize(
    "scopes",
    [(("ns", "a"), ("ns", "b")), (("one", "a"), ("two", "a"))],
    ids=["other stores", "other namespaces"],
)
def test_runs_with_other_scopes_do_not_wait_for_each_other(scopes: tuple[Scope, Scope]) -> None:
    claims = Claims()
    for uid, scope in zip("ab", scopes, strict=True):
        assert starts(planned(claims, prepared(uid), scope)[0]) == ["i1/generate/r1"]
    assert [p.uid for p in claims.peers(scopes[0], "a")] == []
    assert [p.uid for p in claims.peers(scopes[0], "b")] == ["a"]


def execute(simulation: PlannerSimulation, result: Plan) -> None:
    """Start the attempts of a plan and remove the ended ones."""
    for action in result.actions:
        if isinstance(action, Start):
            simulation.start(action)
        elif isinstance(action, Remove):
            simulation.attempts.pop(action.attempt)


def test_waiting_runs_are_woken_when_keys_are_free() -> None:
    claims = Claims()
    first, second, third = prepared("a", 3), prepared("b", 2), prepared("c", 1)
    execute(first, planned(claims, first)[0])
    execute(second, planned(claims, second)[0])
    execute(third, planned(claims, third)[0])
    assert planned(claims, first)[1] == set()
    # The next stage has another key, so the old key is free.
    first.complete(first.find("i1/generate/r1"))
    result, woken = planned(claims, first)
    assert starts(result) == ["i1/curate/r1"]
    assert woken == {"b", "c"}


@pytest.mark.parametrize("how", ["forgotten", "suspended", "deleted", "failed"])
def test_a_waiting_run_is_woken_when_the_other_run_stops(how: str) -> None:
    claims = Claims()
    first, second = prepared("a", 1), prepared("b")
    execute(first, planned(claims, first)[0])
    planned(claims, second)
    if how == "forgotten":
        woken = claims.leave("a", ())
    else:
        if how == "failed":
            first.fail(first.find("i1/generate/r1"), 70)
        if how == "suspended":
            first.edit(suspend=True)
        if how == "deleted":
            first.run = replace(first.run, deleting=True)
        first.attempts.clear() if how != "failed" else None
        woken = planned(claims, first)[1]
    assert woken == {"b"}
    assert starts(planned(claims, second)[0]) == ["i1/generate/r1"]


def test_a_waiting_run_is_woken_when_the_other_one_has_to_try_a_stage_again() -> None:
    """The other run still wants the stage, but an older run goes first."""
    claims = Claims()
    older, younger = prepared("a", 1), prepared("b")
    execute(younger, planned(claims, younger)[0])
    planned(claims, older)
    assert claims.waits("a")
    selects = run_until(younger, "i1/select")
    claims.state(SCOPE, younger.run, younger.observed().attempts, ())
    younger.fail(selects, 137)
    assert planned(claims, younger)[1] == {"a"}


def test_a_run_that_waits_after_a_hold_is_woken() -> None:
    """The hold of its last failure stays in the status, so the run wants no key."""
    claims = Claims()
    first, second = prepared("a", 1), prepared("b")
    execute(first, planned(claims, first)[0])
    planned(claims, second)
    hold = Hold(reason="StoreUnreachable", until=START, stalled=True)
    stages = tuple(one.model_copy(update={"hold": hold}) for one in second.run.status.stages)
    status = second.run.status.model_copy(update={"stages": stages})
    claims.state(SCOPE, replace(second.run, status=status), (), ())
    assert claims.waits("b")
    assert claims.leave("a", ()) == {"b"}


def test_a_run_waits_for_the_jobs_of_a_deleted_run() -> None:
    claims = Claims()
    first, second = prepared("a", 1), prepared("b")
    execute(first, planned(claims, first)[0])
    planned(claims, second)
    (key,) = claims.peers(SCOPE, "b")[0].working
    assert claims.leave("a", {key, "another"}) == {"b"}
    assert starts(planned(claims, second)[0]) == []
    (peer,) = claims.peers(SCOPE, "b")
    assert (peer.working, peer.wanted) == ({key}, frozenset())
    assert claims.leave("a", ()) == {"b"}
    assert starts(planned(claims, second)[0]) == ["i1/generate/r1"]


def test_a_run_that_was_deleted_before_a_restart_is_a_peer_in_all_stores_of_its_namespace() -> None:
    claims = Claims()
    (start,) = planned(Claims(), prepared("a"))[0].actions
    assert isinstance(start, Start)
    (key,) = (step.key for step in start.order.steps)
    second = prepared("b")
    claims.inherit("ns", Peer("run-a", "a", START, frozenset({key}), frozenset()))
    claims.inherit("elsewhere", Peer("run-c", "c", START, frozenset({key}), frozenset()))
    for store in ("bucket", "another"):
        assert [peer.uid for peer in claims.peers(("ns", store), "b")] == ["a"]
    assert starts(planned(claims, second)[0]) == []
    assert "run-a" in second.run.status.conditions[0].message
    assert claims.leave("c", ()) == set()
    assert claims.leave("a", {key}) == {"b"}
    assert starts(planned(claims, second)[0]) == []
    assert claims.leave("a", ()) == {"b"}
    assert starts(planned(claims, second)[0]) == ["i1/generate/r1"]


def test_a_deleted_run_keeps_only_the_keys_that_it_claimed() -> None:
    claims = Claims()
    first, second = prepared("a", 1), prepared("b")
    execute(first, planned(claims, first)[0])
    planned(claims, second)
    assert claims.leave("a", {"another"}) == {"b"}
    assert starts(planned(claims, second)[0]) == ["i1/generate/r1"]


def test_a_deleted_run_keeps_its_claim_while_its_job_walks_on() -> None:
    """The record of such a Job has the keys with which it has begun, and not those of today."""
    claims = Claims()
    first, second = prepared("a", 1), prepared("b")
    execute(first, planned(claims, first)[0])
    planned(claims, second)
    assert claims.leave("a", {"the first key of the Job"}, walks=True) == {"b"}
    assert starts(planned(claims, second)[0]) == []
    assert claims.leave("a", ()) == {"b"}


def test_the_job_of_a_whole_run_keeps_its_claim_while_an_edit_repeats_prepare() -> None:
    claims = Claims()
    walk = JobWalk("Run", "first", "digest")
    step = (StageRef("i1/train", "train"),)
    job = Attempt("job", step, 1, AttemptState.ACTIVE, START, walk=walk)
    first = prepared("a", 1)
    planned(claims, first)
    claims.state(SCOPE, first.run, [job], ())
    (before,) = claims.peers(SCOPE, "b")
    edited = replace(first.run, status=SelfAlignmentRunStatus())
    claims.state(SCOPE, edited, [job], ())
    (peer,) = claims.peers(SCOPE, "b")
    assert peer.working >= before.working | {"train", "first"}
    assert peer.reach == before.reach
    claims.state(SCOPE, edited, (), ())
    assert claims.peers(SCOPE, "b") == ()


def test_a_run_that_does_not_wait_is_not_woken() -> None:
    claims = Claims()
    first, second = prepared("a"), PlannerSimulation(make_run(uid="b"))
    planned(claims, first)
    planned(claims, second)
    assert claims.leave("a", ()) == set()
    assert claims.leave("a", ()) == set()
    assert claims.peers(SCOPE, "b") == ()


def attempt(state: AttemptState) -> Attempt:
    return Attempt("job", (StageRef("i1/respond", "k"),), 1, state, START)


@pytest.mark.parametrize(
    ("state", "claimed"),
    [
        (AttemptState.ACTIVE, True),
        (AttemptState.TERMINATING, True),
        (AttemptState.SUCCEEDED, False),
        (AttemptState.FAILED, False),
    ],
)
def test_the_keys_of_active_attempts_are_claimed_without_a_status(
    state: AttemptState, claimed: bool
) -> None:
    """After a restart the claims come from Jobs only."""
    claims = Claims()
    run: RunView = make_run(uid="a")
    claims.state(SCOPE, run, [attempt(state)], ())
    assert [p.working for p in claims.peers(SCOPE, "b")] == ([frozenset("k")] if claimed else [])


def test_each_statement_of_claims_replaces_the_previous_one() -> None:
    claims = Claims()
    run = make_run(uid="a")
    claims.state(SCOPE, run, [attempt(AttemptState.ACTIVE)], ())
    claims.state(("ns", "elsewhere"), run, [attempt(AttemptState.ACTIVE)], ())
    assert claims.peers(SCOPE, "b") == ()
    assert [p.uid for p in claims.peers(("ns", "elsewhere"), "b")] == ["a"]
    claims.state(SCOPE, run, [], ())
    assert claims.peers(("ns", "elsewhere"), "b") == claims.peers(SCOPE, "b") == ()
