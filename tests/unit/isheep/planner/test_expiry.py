"""Expiry: when a run that has ended is deleted, and what a run shows that is not deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from isheep.api.status import Condition
from isheep.planner.expiry import tracked_by
from isheep.planner.types import Environment, Expire, Plan

from .scenarios import conditions_of, one_iteration
from .simulation import PlannerSimulation

TTL = timedelta(seconds=3600)


def ended_run(
    *, enabled: bool | None = True, tracked: str | None = None, ttl: int | None = 3600, **spec: Any
) -> PlannerSimulation:
    """Return a run with a time to live that has just ended, and whose last plan is stored."""
    fields = {} if ttl is None else {"ttlSecondsAfterFinished": ttl}
    simulation = one_iteration(**fields, **spec)
    simulation.environment = Environment(worker_image="image-1", deletes_runs=enabled)
    simulation.run = replace(simulation.run, tracked_by=tracked)
    simulation.run_to_end()
    return simulation


def expiring(simulation: PlannerSimulation) -> Condition | None:
    found = [c for c in simulation.run.status.conditions if c.type == "Expiring"]
    return found[0] if found else None


def expires(plan: Plan) -> bool:
    return any(isinstance(action, Expire) for action in plan.actions)


def test_a_run_is_deleted_its_time_to_live_after_its_end_and_not_before() -> None:
    simulation = ended_run()
    completed = simulation.run.status.completion_time
    assert completed is not None
    simulation.now = completed + TTL - timedelta(seconds=1)
    plan = simulation.run_pass()
    assert (plan.actions, plan.wake_at) == ((), completed + TTL)
    simulation.now = completed + TTL
    assert expires(simulation.run_pass())


def test_the_condition_says_when_the_run_is_deleted() -> None:
    simulation = ended_run()
    found, completed = expiring(simulation), simulation.run.status.completion_time
    assert found is not None
    assert completed is not None
    assert (found.status, found.reason) == ("True", "Finished")
    assert f"{completed + TTL:%Y-%m-%dT%H:%M:%SZ}" in found.message
    # It is the last condition, so that a reader sees the state of the run first.
    assert simulation.run.status.conditions[-1] == found


@pytest.mark.parametrize(
    ("fields", "reason", "word"),
    [
        ({"enabled": False}, "TtlDisabled", "ttl.enabled"),
        ({"tracked": "Argo CD (label x)"}, "TtlTracked", "Argo CD (label x)"),
        # Nobody should enable deletions for a run that would come back.
        ({"enabled": False, "tracked": "Flux (label x)"}, "TtlTracked", "Flux"),
    ],
)
def test_a_run_that_is_not_deleted_says_why(fields: dict[str, Any], reason: str, word: str) -> None:
    simulation = ended_run(**fields)
    found = expiring(simulation)
    assert found is not None
    assert (found.status, found.reason) == ("False", reason)
    assert word in found.message
    simulation.now += TTL * 2
    plan = simulation.run_pass()
    assert (plan.actions, plan.wake_at) == ((), None)
    assert expiring(simulation) == found


def test_an_obstacle_that_is_gone_lets_the_run_expire() -> None:
    simulation = ended_run(tracked="Flux (label x)")
    simulation.now += TTL * 2
    simulation.run = replace(simulation.run, tracked_by=None)
    assert expires(simulation.run_pass())


@pytest.mark.parametrize("fields", [{"ttl": None}, {"enabled": None}])
def test_a_run_without_the_field_or_without_a_cluster_does_not_expire(
    fields: dict[str, Any],
) -> None:
    simulation = ended_run(**fields)
    simulation.now += TTL * 1000
    assert simulation.run_pass().actions == ()
    assert expiring(simulation) is None


def test_a_failed_run_expires_too() -> None:
    simulation = one_iteration(ttlSecondsAfterFinished=0, activeDeadlineSeconds=60)
    simulation.environment = Environment(worker_image="image-1", deletes_runs=True)
    simulation.run_until_idle()
    simulation.now += timedelta(seconds=61)
    simulation.run_pass()
    assert simulation.run.status.phase == "Failed"
    # Its attempts are still being deleted.
    assert not expires(simulation.run_pass())
    simulation.attempts.clear()
    assert expires(simulation.run_pass())


def test_the_end_is_stored_before_the_run_is_deleted() -> None:
    simulation = ended_run()
    simulation.now += TTL
    assert expires(simulation.plan())
    # A plan that has found the end itself does not delete the run.
    spec = {**simulation.run.spec, "ttlSecondsAfterFinished": 0}
    simulation.run = replace(simulation.run, generation=2, spec=spec)
    plan = simulation.plan()
    assert plan.status.phase == "Succeeded"
    assert not expires(plan)
    # The next plan comes at once.
    assert plan.wake_at is not None
    assert plan.wake_at <= simulation.now


@pytest.mark.parametrize("change", ["edit", "retry"])
def test_a_change_of_the_run_begins_its_time_to_live_again(change: str) -> None:
    if change == "edit":
        simulation = ended_run()
        simulation.now += timedelta(seconds=3599)
        simulation.run = replace(simulation.run, generation=2)
    else:
        simulation = one_iteration(ttlSecondsAfterFinished=3600, activeDeadlineSeconds=60)
        simulation.environment = Environment(worker_image="image-1", deletes_runs=True)
        simulation.run_until_idle()
        simulation.now += timedelta(seconds=61)
        simulation.run_pass()
        simulation.attempts.clear()
        simulation.now += timedelta(seconds=3599)
        simulation.run = replace(simulation.run, annotations={"isheep.dev/retry": "1"})
    simulation.run_pass()
    simulation.now += timedelta(seconds=1)
    plan = simulation.run_pass()
    assert not expires(plan)
    if change == "retry":
        assert conditions_of(plan.status)["Ready"] == ("False", "Running")
        assert expiring(simulation) is None


@pytest.mark.parametrize(
    ("labels", "annotations", "tool"),
    [
        (
            {},
            {"argocd.argoproj.io/tracking-id": "app:isheep.dev/SelfAlignmentRun:ns/run"},
            "Argo CD",
        ),
        ({"argocd.argoproj.io/instance": "app"}, {}, "Argo CD"),
        ({"app.kubernetes.io/instance": "app"}, {}, "Argo CD"),
        ({"kustomize.toolkit.fluxcd.io/name": "apps"}, {}, "Flux"),
        ({"helm.toolkit.fluxcd.io/name": "apps"}, {}, "Flux"),
    ],
)
def test_the_marks_of_argo_cd_and_flux_are_known(
    labels: dict[str, str], annotations: dict[str, str], tool: str
) -> None:
    found = tracked_by(labels, annotations)
    assert found is not None
    assert found.startswith(tool)
    assert next(iter({**labels, **annotations})) in found


def test_other_marks_are_not_those_of_a_tool() -> None:
    labels = {"app.kubernetes.io/name": "run", "team": "flux"}
    assert tracked_by(labels, {"argocd.argoproj.io/sync-wave": "1"}) is None
