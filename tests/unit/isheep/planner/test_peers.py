"""Who waits for whom, and that somebody always goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.planner.peers import claims, holder
from isheep.planner.types import Peer

from .world import START, World, make_run


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
def test_who_is_waited_for(other: Peer, waits: bool) -> None:
    run = make_run(uid="me")
    assert (holder(run, [other], ["k"]) is not None) == waits


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sets(st.sampled_from("klm"), min_size=1)),
        min_size=1,
        max_size=6,
    )
)
def test_of_runs_that_only_want_one_goes_on(wanting: list[tuple[int, set[str]]]) -> None:
    peers = [peer(str(i), age, wanted="".join(keys)) for i, (age, keys) in enumerate(wanting)]
    free = [
        p for p in peers if holder(make_run(uid=p.uid, created=p.created), peers, p.wanted) is None
    ]
    assert free
    for one in free:
        others = [p for p in free if p.uid != one.uid]
        assert all(one.wanted.isdisjoint(p.wanted) for p in others)


def test_what_a_run_claims() -> None:
    world = World()
    assert claims(world.run, ()) == Peer("run", "uid-1", START, frozenset(), frozenset())
    world.turn()
    (name,) = world.active()
    key = world.jobs[name].order.steps[0].key
    claimed = claims(world.run, world.look().attempts)
    assert (claimed.working, claimed.wanted) == ({key}, {key})
    world.vanish(name)
    assert claims(world.run, ()).wanted == {key}
    assert claims(replace(world.run, deleting=True), ()).wanted == frozenset()
    world.edit(suspend=True)
    world.turn()
    assert claims(world.run, ()).wanted == frozenset()


def test_a_stalled_run_wants_nothing() -> None:
    world = World()
    world.turn()
    world.fail(world.find("prepare"), 64)
    world.turn()
    assert claims(world.run, world.look().attempts).wanted == frozenset()
