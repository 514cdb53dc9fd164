"""Peers: which of several runs waits for another, and that one of them always continues."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.planner.peers import Plans, claims, holder
from isheep.planner.types import Attempt, AttemptState, JobWalk, Peer, StageRef

from .scenarios import run_until
from .simulation import START, PlannerSimulation, make_run, spec_with
from .test_job_walks import ON_KUBERNETES


def peer(uid: str, age: int, working: str = "", wanted: str = "") -> Peer:
    created = START - timedelta(minutes=age)
    return Peer(f"run-{uid}", uid, created, frozenset(working), frozenset(wanted))


@pytest.mark.parametrize(
    ("other", "waits"),
    [
        (peer("a", 1, working="k"), True),
        (peer("a", -1, working="k"), True),
        (peer("a", 1, wanted="k"), True),
        (peer("a", -1, wanted="k"), False),
        (peer("a", 1, working="x", wanted="y"), False),
        (peer("a", 0, wanted="k"), True),
        (peer("z", 0, wanted="k"), False),
        (peer("me", 1, working="k"), False),
    ],
)
def test_a_run_waits_for_a_peer_that_works_on_its_stage_or_is_older_and_wants_it(
    other: Peer, waits: bool
) -> None:
    run = make_run(uid="me")
    assert (holder(run, [other], Plans(["k"])) is not None) == waits


@pytest.mark.parametrize(("claim", "waits"), [("first", True), ("other", False), (None, False)])
def test_a_job_with_a_walk_waits_for_a_peer_that_makes_one_of_its_stages(
    claim: str | None, waits: bool
) -> None:
    other = replace(peer("a", -1, working="k"), beside=frozenset({"first"}))
    found = holder(make_run(uid="me"), [other], Plans(["x"], claim=claim))
    assert (found is not None) == waits


@pytest.mark.parametrize(
    ("stage", "first_of_role"),
    [("i1/generate/r2", "i1/generate/r1"), ("i1/assess", "i1/assess")],
)
def test_an_attempt_for_one_stage_excludes_walks_through_it(stage: str, first_of_role: str) -> None:
    """A Job that generates does not come to the scores, so it may begin beside their Job."""
    simulation = PlannerSimulation()
    run_until(simulation, stage)
    found = claims(simulation.run, simulation.observed().attempts)
    keys = {record.id: record.key for record in simulation.run.status.stages}
    assert keys["i1/generate/r1"] not in found.working
    assert found.beside == {keys[first_of_role]}
    assert found.inside == {keys["i1/generate/r1"]}


def test_a_measurement_is_made_in_the_next_iteration() -> None:
    """A Job that generates in iteration 2 comes to the measurement of M(1)."""
    spec = spec_with(iterations=2, yardstick={"items": 24})
    simulation = PlannerSimulation(make_run(spec), environment=ON_KUBERNETES)
    run_until(simulation, "i1/evaluate/yardstick")
    attempts = [
        attempt
        for attempt in simulation.observed().attempts
        if attempt.steps[0].id == "i1/evaluate/yardstick"
    ]
    found = claims(simulation.run, attempts)
    keys = {record.id: record.key for record in simulation.run.status.stages}
    assert found.beside == found.inside == {keys["i2/generate/r1"]}


@pytest.mark.parametrize(("joined", "waits"), [(True, True), (False, False)])
def test_only_a_joined_job_waits_for_the_job_of_a_later_role(joined: bool, waits: bool) -> None:
    """Other runs share what is made before that role, so they must not wait."""
    other = replace(peer("a", -1, working="k"), inside=frozenset({"first"}))
    found = holder(make_run(uid="me"), [other], Plans(["x"], claim="first", joined=joined))
    assert (found is not None) == waits


@pytest.mark.parametrize(("stage", "closes"), [("i1/assess", True), ("i1/generate/r1", False)])
def test_the_job_of_a_later_role_excludes_joined_jobs(stage: str, closes: bool) -> None:
    simulation = PlannerSimulation()
    simulation.run_pass()
    simulation.complete(simulation.find("prepare"))
    simulation.run_pass()
    first = next(r.key for r in simulation.run.status.stages if r.id == "i1/generate/r1")
    key = "the key of assess" if closes else first
    walk = JobWalk("PerRole", key, "digest")
    step = StageRef(stage, key)
    attempt = Attempt("job", (step,), 1, AttemptState.ACTIVE, simulation.now, walk=walk)
    assert claims(simulation.run, [attempt]).inside == ({first} if closes else set())


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sets(st.sampled_from("klm"), min_size=1)),
        min_size=1,
        max_size=6,
    )
)
def test_one_of_several_runs_that_want_the_same_stages_continues(
    wanted_keys: list[tuple[int, set[str]]],
) -> None:
    peers = [peer(str(i), age, wanted="".join(keys)) for i, (age, keys) in enumerate(wanted_keys)]
    free = [
        p
        for p in peers
        if holder(make_run(uid=p.uid, created=p.created), peers, Plans(p.wanted)) is None
    ]
    assert free
    for one in free:
        others = [p for p in free if p.uid != one.uid]
        assert all(one.wanted.isdisjoint(p.wanted) for p in others)


def test_a_run_claims_the_stages_of_its_attempts_and_of_its_next_plan() -> None:
    simulation = PlannerSimulation()
    assert claims(simulation.run, ()) == Peer("run", "uid-1", START, frozenset(), frozenset())
    simulation.run_pass()
    (name,) = simulation.active()
    key = simulation.attempts[name].order.steps[0].key
    claimed = claims(simulation.run, simulation.observed().attempts)
    assert (claimed.working, claimed.wanted) == ({key}, {key})
    simulation.delete_attempt(name)
    assert claims(simulation.run, ()).wanted == {key}
    assert claims(replace(simulation.run, deleting=True), ()).wanted == frozenset()
    simulation.edit(suspend=True)
    simulation.run_pass()
    assert claims(simulation.run, ()).wanted == frozenset()


def test_a_stalled_run_claims_no_next_stage() -> None:
    simulation = PlannerSimulation()
    simulation.run_pass()
    simulation.fail(simulation.find("prepare"), 64)
    simulation.run_pass()
    assert claims(simulation.run, simulation.observed().attempts).wanted == frozenset()
