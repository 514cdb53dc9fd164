"""Claims: two runs that are planned one after the other do not make the same stage."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from isheep.kube.claims import Claims, Scope
from isheep.planner.plan import plan
from isheep.planner.types import (
    Attempt,
    AttemptState,
    Observed,
    Peer,
    Plan,
    RunView,
    StageRef,
    Start,
    Stop,
)

from ..planner.simulation import START, PlannerSimulation, make_run

SCOPE: Scope = ("ns", "bucket")


def prepared(uid: str, age: int = 0) -> PlannerSimulation:
    """Return a run that has been prepared, before it is planned again."""
    run = make_run(uid=uid, name=f"run-{uid}", created=START - timedelta(minutes=age))
    simulation = PlannerSimulation(run)
    simulation.run_pass()
    simulation.complete(simulation.find("prepare"))
    return simulation


def planned(claims: Claims, simulation: PlannerSimulation, scope: Scope = SCOPE) -> tuple[Plan, set[str]]:
    """Plan a run as a pass does, without awaiting anything before its claims are stated."""
    uid = simulation.run.uid
    observed = Observed(simulation.observed().attempts, claims.peers(scope, uid))
    made = plan(simulation.run, observed, simulation.now, simulation.environment)
    view = replace(simulation.run, status=made.status)
    woken = claims.state(scope, view, observed.attempts, made.actions)
    simulation.run = view
    return made, woken


def starts(made: Plan) -> list[str]:
    return [a.order.steps[0].id for a in made.actions if isinstance(a, Start)]


def reason(simulation: PlannerSimulation) -> str:
    return simulation.run.status.conditions[0].reason


@pytest.mark.parametrize("ages", [(0, 0), (1, 0), (0, 1)], ids=["same age", "first", "second"])
def test_of_two_that_are_planned_at_once_one_starts(ages: tuple[int, int]) -> None:
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
def test_scopes_are_apart(scopes: tuple[Scope, Scope]) -> None:
    claims = Claims()
    for uid, scope in zip("ab", scopes, strict=True):
        assert starts(planned(claims, prepared(uid), scope)[0]) == ["i1/generate/r1"]
    assert [p.uid for p in claims.peers(scopes[0], "a")] == []
    assert [p.uid for p in claims.peers(scopes[0], "b")] == ["a"]


def carry_out(simulation: PlannerSimulation, made: Plan) -> None:
    """Have a plan's Starts at work."""
    for action in made.actions:
        if isinstance(action, Start):
            simulation.start(action)
        elif not isinstance(action, Stop):
            simulation.attempts.pop(action.attempt)


def test_whoever_waits_is_woken_when_keys_are_free() -> None:
    claims = Claims()
    first, second, third = prepared("a", 3), prepared("b", 2), prepared("c", 1)
    carry_out(first, planned(claims, first)[0])
    carry_out(second, planned(claims, second)[0])
    carry_out(third, planned(claims, third)[0])
    assert planned(claims, first)[1] == set()
    # Its next stage is another key, and the old one is free.
    first.complete(first.find("i1/generate/r1"))
    made, woken = planned(claims, first)
    assert starts(made) == ["i1/curate/r1"]
    assert woken == {"b", "c"}


@pytest.mark.parametrize("how", ["forgotten", "suspended", "deleted", "failed"])
def test_whoever_waits_is_woken_when_the_other_gives_up(how: str) -> None:
    claims = Claims()
    first, second = prepared("a", 1), prepared("b")
    carry_out(first, planned(claims, first)[0])
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


def test_a_run_that_is_gone_is_waited_for_while_its_jobs_work() -> None:
    claims = Claims()
    first, second = prepared("a", 1), prepared("b")
    carry_out(first, planned(claims, first)[0])
    planned(claims, second)
    (key,) = claims.peers(SCOPE, "b")[0].working
    assert claims.leave("a", {key, "another"}) == {"b"}
    assert starts(planned(claims, second)[0]) == []
    (peer,) = claims.peers(SCOPE, "b")
    assert (peer.working, peer.wanted) == ({key}, frozenset())
    assert claims.leave("a", ()) == {"b"}
    assert starts(planned(claims, second)[0]) == ["i1/generate/r1"]


def test_a_run_that_was_gone_before_is_waited_for_in_every_store_of_its_namespace() -> None:
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


def test_nobody_works_for_a_run_on_what_it_has_not_claimed() -> None:
    claims = Claims()
    first, second = prepared("a", 1), prepared("b")
    carry_out(first, planned(claims, first)[0])
    planned(claims, second)
    assert claims.leave("a", {"another"}) == {"b"}
    assert starts(planned(claims, second)[0]) == ["i1/generate/r1"]


def test_whoever_does_not_wait_is_left_alone() -> None:
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
def test_what_is_at_work_is_claimed_whatever_the_status_says(
    state: AttemptState, claimed: bool
) -> None:
    """After a restart the claims are made of Jobs alone."""
    claims = Claims()
    run: RunView = make_run(uid="a")
    claims.state(SCOPE, run, [attempt(state)], ())
    assert [p.working for p in claims.peers(SCOPE, "b")] == ([frozenset("k")] if claimed else [])


def test_a_run_states_its_claims_anew_each_time() -> None:
    claims = Claims()
    run = make_run(uid="a")
    claims.state(SCOPE, run, [attempt(AttemptState.ACTIVE)], ())
    claims.state(("ns", "elsewhere"), run, [attempt(AttemptState.ACTIVE)], ())
    assert claims.peers(SCOPE, "b") == ()
    assert [p.uid for p in claims.peers(("ns", "elsewhere"), "b")] == ["a"]
    claims.state(SCOPE, run, [], ())
    assert claims.peers(("ns", "elsewhere"), "b") == claims.peers(SCOPE, "b") == ()
