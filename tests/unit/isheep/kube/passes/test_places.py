"""Places: which runs are woken when a place becomes free, and which places survive."""

from __future__ import annotations

from dataclasses import replace

from isheep.kube.passes.places import NEWS_SECONDS, Places
from isheep.planner.plan import plan
from isheep.planner.types import (
    Attempt,
    AttemptState,
    Environment,
    Observed,
    Plan,
    RunView,
    StageRef,
)

from ...planner.scenarios import MINUTE
from ...planner.simulation import START, make_run

JOB = Attempt("job", (StageRef("prepare", "k"),), 1, AttemptState.ACTIVE, START)


def run(name: str, age: int = 0) -> RunView:
    return make_run(name=name, uid=name, created=START - age * MINUTE)


def planned(places: Places, view: RunView, limit: int = 1) -> tuple[Plan, dict[str, float]]:
    """Plan a run as the reconciler does; return the plan and the runs that are woken."""
    environment = Environment(runs_per_namespace=limit)
    observed = Observed((), (), places.contenders("ns", view.uid), places.works("ns", view.uid))
    made = plan(view, observed, START, environment)
    return made, places.state(view, made, ())


def test_without_a_limit_nothing_is_kept() -> None:
    places = Places(None)
    view = run("a")
    places.expect(view, ())
    assert places.state(view, plan(view, Observed(), START, Environment()), ()) == {}
    assert (places.contenders("ns", "b"), places.works("ns", "a")) == ((), False)
    assert places.leave("a", works=True) == {}


def test_of_two_runs_that_are_planned_at_the_same_moment_one_works() -> None:
    places = Places(1)
    first, _ = planned(places, run("a"))
    second, _ = planned(places, run("b"))
    assert first.actions
    assert not second.actions
    assert places.works("ns", "a")
    assert places.waits("ns", "b")


def test_a_run_that_was_seen_first_is_not_overtaken_by_a_younger_one() -> None:
    places = Places(1)
    places.expect(run("old", age=5), ())
    younger, _ = planned(places, run("young"))
    assert younger.waits_for_place
    older, _ = planned(places, run("old", age=5))
    assert older.actions


def test_the_place_of_a_run_that_ends_wakes_the_next_one_at_once_and_the_others_later() -> None:
    places = Places(1)
    planned(places, run("a"))
    for name, age in (("young", 1), ("old", 9), ("middle", 5)):
        planned(places, run(name, age))
    woken = places.leave("a", works=False)
    assert woken == {"old": 0.0, "middle": NEWS_SECONDS, "young": NEWS_SECONDS}


def test_a_deleted_run_keeps_its_place_while_its_jobs_have_pods() -> None:
    places = Places(1)
    planned(places, run("a"))
    planned(places, run("b"))
    assert places.leave("a", works=True) == {}
    assert planned(places, run("b"))[0].waits_for_place
    assert places.leave("a", works=False) == {"b": 0.0}


def test_a_pass_that_failed_keeps_the_place_for_the_job_that_may_exist() -> None:
    places = Places(1)
    planned(places, run("a"))
    planned(places, run("older", age=9))
    # The CREATE of the Job had no answer, and the next pass plans again.
    again, _ = planned(places, run("a"))
    assert again.actions
    assert planned(places, run("older", age=9))[0].waits_for_place


def test_a_run_whose_job_is_refused_frees_its_place() -> None:
    places = Places(1)
    made, _ = planned(places, run("a"))
    planned(places, run("b"))
    ready = made.status.conditions[0].model_copy(update={"reason": "QuotaExceeded"})
    stalled = ready.model_copy(update={"type": "Stalled", "status": "True"})
    status = made.status.model_copy(update={"phase": "Stalled", "conditions": (ready, stalled)})
    refused = replace(made, actions=(), status=status)
    assert places.state(run("a"), refused, ()) == {"b": 0.0}


def test_the_namespaces_do_not_share_places() -> None:
    places = Places(1)
    planned(places, run("a"))
    other = replace(run("b"), namespace="other")
    observed = Observed((), (), places.contenders("other", "b"))
    made = plan(other, observed, START, Environment(runs_per_namespace=1))
    assert made.actions


def test_a_run_with_a_job_works_whatever_its_status_says() -> None:
    places = Places(1)
    places.expect(run("a"), (JOB,))
    assert places.works("ns", "a")


def test_a_pass_that_may_not_write_gives_its_place_back() -> None:
    """The operator that holds the Lease may give the place to another run."""
    places = Places(1)
    planned(places, run("a"))
    places.reset(run("a"), ())
    assert not places.works("ns", "a")
    assert planned(places, run("b", age=1))[0].actions
    assert planned(places, run("a"))[0].waits_for_place


def test_a_run_with_a_job_keeps_its_place_if_its_pass_may_not_write() -> None:
    places = Places(1)
    planned(places, run("a"))
    places.reset(run("a"), (JOB,))
    assert planned(places, run("b", age=1))[0].waits_for_place
