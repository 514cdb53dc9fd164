"""Claims of runs with one Job for the whole run: who waits, and who is woken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isheep.kube.passes.claims import Claims
from isheep.planner.plan import plan
from isheep.planner.types import Observed, Plan, Start

from ...planner.simulation import START, PlannerSimulation, make_run, spec_with
from ...planner.test_job_walks import ON_KUBERNETES

SCOPE = ("ns", "bucket")
FIRST = "i1/generate/r1"


def prepared(uid: str, *, whole: bool = True, **changes: Any) -> PlannerSimulation:
    """Return a run whose prepare is complete, before the next plan."""
    compute = {"jobs": "Run"} if whole else {"inference": {"jobs": "PerStage"}}
    spec = spec_with(iterations=2, compute=compute, **changes)
    run = make_run(spec, uid=uid, name=f"run-{uid}", created=START)
    simulation = PlannerSimulation(run, environment=ON_KUBERNETES)
    simulation.run_pass()
    simulation.complete(simulation.find("prepare"))
    return simulation


def planned(claims: Claims, simulation: PlannerSimulation) -> tuple[Plan, set[str]]:
    """Plan a run as a pass does, and start its attempts."""
    uid = simulation.run.uid
    observed = Observed(simulation.observed().attempts, claims.peers(SCOPE, uid))
    result = plan(simulation.run, observed, simulation.now, simulation.environment)
    simulation.run = replace(simulation.run, status=result.status)
    woken = claims.state(SCOPE, simulation.run, observed.attempts, result.actions)
    for action in result.actions:
        simulation._execute(action)
    return result, woken


def starts(result: Plan) -> list[str]:
    return [a.order.steps[0].id for a in result.actions if isinstance(a, Start)]


def test_only_one_of_two_whole_runs_that_are_planned_at_once_starts() -> None:
    claims = Claims()
    first, second = prepared("a"), prepared("b")
    assert starts(planned(claims, first)[0]) == [FIRST]
    assert starts(planned(claims, second)[0]) == []
    (reach,) = (peer.reach for peer in claims.peers(SCOPE, "b"))
    assert reach is not None
    # The claims of the started attempt are those of the attempt that the next pass observes.
    planned(claims, first)
    assert [peer.reach for peer in claims.peers(SCOPE, "b")] == [reach]


def test_a_waiting_run_is_woken_when_the_job_has_passed_the_shared_stages() -> None:
    claims = Claims()
    first, second = prepared("a"), prepared("b", selection={"threshold": 2})
    planned(claims, first)
    planned(claims, second)
    name = first.find(FIRST)
    for count in range(1, 10):
        first.report(name, count)
        _, woken = planned(claims, first)
        if starts(planned(claims, second)[0]):
            assert woken == {"b"}
            break
    done = {record.id for record in first.run.status.stages if record.committed}
    assert "i1/assess" in done
    assert "i1/select" not in done


def test_the_job_of_a_deleted_whole_run_keeps_its_reach() -> None:
    claims = Claims()
    first, second = prepared("a"), prepared("b")
    planned(claims, first)
    first.report(first.find(FIRST), 6)
    planned(claims, first)
    planned(claims, second)
    (peer,) = claims.peers(SCOPE, "b")
    assert claims.leave("a", peer.working) == {"b"}
    assert starts(planned(claims, second)[0]) == []
    assert claims.leave("a", ()) == {"b"}
    assert starts(planned(claims, second)[0]) == [FIRST]


@pytest.mark.parametrize("whole", [True, False])
def test_only_a_whole_run_waits_for_the_unknown_jobs_of_a_deleted_run(*, whole: bool) -> None:
    claims = Claims()
    first = prepared("a")
    planned(Claims(), first)
    peer = Claims()
    peer.state(SCOPE, first.run, first.observed().attempts, ())
    (unknown,) = peer.peers(SCOPE, "b")
    claims.inherit("ns", replace(unknown, working=frozenset({"another key"}), wanted=frozenset()))
    second = prepared("b", whole=whole)
    assert starts(planned(claims, second)[0]) == ([] if whole else [FIRST])


def test_runs_state_their_reach_only_for_whole_runs_and_are_woken_to_do_so() -> None:
    claims = Claims()
    alone = prepared("a", whole=False)
    planned(claims, alone)
    assert [peer.reach for peer in claims.peers(SCOPE, "x")] == [None]
    whole = prepared("b", selection={"threshold": 2})
    result, woken = planned(claims, whole)
    assert starts(result) == []
    assert woken == {"a"}
    # The reach of `a` is stated now. It makes a stage that both runs need.
    assert planned(claims, alone)[1] == {"b"}
    assert starts(planned(claims, whole)[0]) == []
