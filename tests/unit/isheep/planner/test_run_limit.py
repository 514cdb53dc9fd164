"""The limit of working runs: who works, who waits, in which order, and what the runs show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.api.status import SelfAlignmentRunStatus
from isheep.planner.run_limit import contender_of, has_pods, keeps_place, next_ones, wait_message
from isheep.planner.types import (
    Attempt,
    AttemptState,
    Contender,
    Environment,
    Observed,
    RunView,
    StageRef,
    Start,
)

from .scenarios import MINUTE, conditions_of, one_iteration, run_until
from .simulation import START, PlannerSimulation, make_run


def contender(name: str, age: int, *, works: bool) -> Contender:
    return Contender(name, f"uid-{name}", START - age * MINUTE, works=works)


def status_of(phase: str, reason: str) -> SelfAlignmentRunStatus:
    """Return a status with the conditions of a phase."""
    types = {"Pending": "Reconciling", "Running": "Reconciling", "Succeeded": "Complete"}
    time = START.isoformat()
    conditions = [
        {
            "type": name,
            "status": value,
            "reason": reason,
            "lastTransitionTime": time,
            "message": "",
            "observedGeneration": 1,
        }
        for name, value in (("Ready", "False"), (types.get(phase, phase), "True"))
    ]
    return SelfAlignmentRunStatus.read({"phase": phase, "conditions": conditions})


def message(run: RunView, limit: int | None, *others: Contender, works: bool = False) -> str | None:
    environment = Environment(runs_per_namespace=limit)
    return wait_message(run, Observed((), (), others, works), environment)


A, B = contender("a", 1, works=True), contender("b", 2, works=True)
OLDER, YOUNGER = contender("older", 1, works=False), contender("younger", -1, works=False)


@pytest.mark.parametrize(
    ("limit", "others", "waits"),
    [
        (None, (A, B, OLDER), False),
        (1, (), False),
        (1, (A,), True),
        (2, (A,), False),
        (2, (A, B), True),
        (1, (YOUNGER,), False),
        (1, (OLDER,), True),
        (2, (OLDER,), False),
        (2, (A, OLDER), True),
        (3, (A, OLDER), False),
        # After the limit was lowered, more runs work than it allows.
        (1, (A, B), True),
    ],
)
def test_a_run_gets_a_place_if_one_is_left_for_it_after_the_older_ones(
    limit: int | None, others: tuple[Contender, ...], waits: bool
) -> None:
    assert (message(make_run(), limit, *others) is not None) is waits


@pytest.mark.parametrize(
    ("state", "ended", "lingers", "found"),
    [
        (AttemptState.ACTIVE, False, False, True),
        # Its results are not read yet.
        (AttemptState.ACTIVE, True, False, True),
        (AttemptState.TERMINATING, False, False, True),
        # The run stalls, and an earlier attempt of it is removed: another run has its place.
        (AttemptState.TERMINATING, True, False, False),
        (AttemptState.TERMINATING, True, True, True),
        (AttemptState.FAILED, True, False, False),
    ],
)
def test_an_attempt_that_is_removed_after_its_end_keeps_no_place(
    state: AttemptState, ended: bool, lingers: bool, found: bool
) -> None:
    finished = START if ended else None
    steps = (StageRef("i1/train", "key"),)
    attempt = Attempt("job", steps, 1, state, START, finished=finished, lingers=lingers)
    assert has_pods([attempt]) is found


def test_a_run_that_works_keeps_its_place() -> None:
    between_jobs = make_run(status=status_of("Running", "Retrying"))
    assert message(between_jobs, 1, A, B, OLDER) is None
    # Its pass failed after it took the place, so its Job may exist.
    assert message(make_run(), 1, A, works=True) is None
    simulation = one_iteration()
    simulation.environment = replace(simulation.environment, runs_per_namespace=1)
    run_until(simulation, "i1/generate/r1")
    simulation.contenders = (A, B, OLDER)
    planned = simulation.run_until_idle()
    assert conditions_of(planned.status)["Ready"] == ("False", "Running")


@pytest.mark.parametrize(
    ("phase", "reason", "works", "waits"),
    [
        ("Running", "Running", True, False),
        ("Running", "Retrying", True, False),
        ("Running", "RunLimit", False, True),
        ("Pending", "RunLimit", False, True),
        ("Running", "WaitingForPeer", False, False),
        ("Stalled", "StoreUnreachable", False, False),
        ("Suspended", "Suspended", False, False),
        ("Succeeded", "Succeeded", False, False),
        ("Failed", "BadInput", False, False),
    ],
)
def test_the_status_shows_whether_a_run_works_or_waits(
    phase: str, reason: str, works: bool, waits: bool
) -> None:
    run = make_run(status=status_of(phase, reason))
    found = contender_of(run, ())
    assert keeps_place(run.status) is works
    assert (found is not None) is (works or waits)
    assert found is None or found.works is works
    assert contender_of(replace(run, deleting=True), ()) is None


def test_a_new_run_waits_until_its_first_plan() -> None:
    found = contender_of(make_run(), ())
    assert found is not None
    assert not found.works


def test_the_message_names_the_working_runs_and_the_place_in_the_queue() -> None:
    text = message(make_run(), 2, B, A, contender("c", 5, works=False), YOUNGER)
    assert text is not None
    assert "2 working runs (limits.runsPerNamespace), and 2 work: b, a" in text
    assert text.endswith("the place of this run is 2 in the queue, after c")
    alone = message(make_run(), 1, A)
    assert alone is not None
    assert "1 working run (limits.runsPerNamespace), and 1 works: a" in alone
    many = [contender(f"r{n}", n, works=True) for n in range(40)]
    long = message(make_run(), 40, *many)
    assert long is not None
    assert "r39, r38, r37, r36, r35 and 35 more" in long


def waiting_run(limit: int = 1, **spec: Any) -> PlannerSimulation:
    """Return a run that waits, because another one works."""
    simulation = one_iteration(**spec)
    simulation.environment = replace(simulation.environment, runs_per_namespace=limit)
    simulation.contenders = (A,)
    return simulation


def test_a_run_without_a_place_starts_nothing_and_says_why() -> None:
    simulation = waiting_run()
    planned = simulation.run_pass()
    assert not [action for action in planned.actions if isinstance(action, Start)]
    assert planned.waits_for_place
    assert conditions_of(planned.status)["Reconciling"] == ("True", "RunLimit")
    assert planned.status.phase == "Pending"
    assert planned.wake_at is not None
    assert planned.wake_at > simulation.now
    simulation.contenders = ()
    planned = simulation.run_pass()
    assert [action for action in planned.actions if isinstance(action, Start)]
    assert not planned.waits_for_place


def test_the_deadline_counts_from_the_first_work() -> None:
    simulation = waiting_run(activeDeadlineSeconds=3600)
    for _ in range(3):
        planned = simulation.run_pass()
        assert planned.status.start_time is None
        simulation.now += timedelta(hours=10)
    simulation.contenders = ()
    simulation.run_until_idle()
    assert simulation.run.status.start_time == simulation.now
    assert simulation.run.status.phase == "Running"
    simulation.now += timedelta(hours=2)
    assert simulation.run_pass().status.phase == "Failed"


def test_a_run_that_has_begun_keeps_its_start_when_it_waits_in_the_same_second() -> None:
    """The times of the operator have whole seconds, so that the start can be the time of a plan."""
    simulation = waiting_run()
    simulation.contenders = ()
    simulation.run_pass()
    simulation.fail(simulation.find("prepare"), 64)
    assert simulation.run_pass().status.phase == "Stalled"
    simulation.contenders = (A,)
    simulation.edit(iterations=3)
    status = simulation.run_pass().status
    assert conditions_of(status)["Ready"] == ("False", "RunLimit")
    assert status.start_time == simulation.now


def test_a_suspended_run_waits_again_when_it_is_resumed() -> None:
    simulation = waiting_run()
    simulation.contenders = ()
    run_until(simulation, "i1/generate/r1")
    suspended = {**simulation.run.spec, "suspend": True}
    simulation.run = replace(simulation.run, spec=suspended, generation=2)
    simulation.run_pass()
    simulation.attempts.clear()
    assert simulation.run_pass().status.phase == "Suspended"
    assert contender_of(simulation.run, ()) is None
    simulation.contenders = (A,)
    simulation.run = replace(simulation.run, spec={**suspended, "suspend": False}, generation=3)
    assert conditions_of(simulation.run_pass().status)["Ready"] == ("False", "RunLimit")


@dataclass
class Cluster:
    """Runs that come, work and end; each step plans the runs in a random order."""

    limit: int
    works: dict[str, Contender] = field(default_factory=dict)
    waits: dict[str, Contender] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    """The runs in the order in which they got a place."""

    def plan(self, name: str) -> None:
        """Plan a run, and state at once what it does."""
        one = self.waits.get(name)
        if one is None:
            return
        others = (*self.works.values(), *(o for o in self.waits.values() if o.name != name))
        run = make_run(name=one.name, uid=one.uid, created=one.created)
        if message(run, self.limit, *others) is None:
            del self.waits[name]
            self.works[name] = replace(one, works=True)
            self.order.append(name)


STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "plan", "end", "suspend"]), st.integers(0, 7)), max_size=60
)


@settings(deadline=None)
@given(limit=st.integers(1, 3), steps=STEPS)
def test_the_limit_holds_and_the_oldest_run_is_next(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    cluster = Cluster(limit)
    for number, (step, choice) in enumerate(steps):
        if step == "come":
            one = contender(f"r{number}", -number, works=False)
            cluster.waits[one.name] = one
        elif step == "plan" and cluster.waits:
            name = list(cluster.waits)[choice % len(cluster.waits)]
            oldest = [o.name for o in next_ones(_all(cluster), limit)]
            cluster.plan(name)
            assert (name in cluster.works) is (name in oldest)
        elif step == "end" and cluster.works:
            cluster.works.pop(list(cluster.works)[choice % len(cluster.works)])
        elif step == "suspend" and cluster.works:
            # A person resumes the run later, and it waits again with its age.
            one = cluster.works.pop(list(cluster.works)[choice % len(cluster.works)])
            cluster.waits[one.name] = replace(one, works=False)
        assert len(cluster.works) <= limit
    # Nobody starves: when runs end, every run that waits gets a place, oldest first.
    left = sorted(cluster.waits.values(), key=lambda o: o.created)
    cluster.order.clear()
    while cluster.waits:
        for name in list(reversed(cluster.waits)):
            cluster.plan(name)
        assert cluster.works, "no run works, and runs wait"
        assert len(cluster.works) <= limit
        cluster.works.pop(next(iter(cluster.works)))
    if limit == 1:
        assert cluster.order == [one.name for one in left]
    assert sorted(cluster.order) == sorted(one.name for one in left)


def _all(cluster: Cluster) -> list[Contender]:
    return [*cluster.works.values(), *cluster.waits.values()]
