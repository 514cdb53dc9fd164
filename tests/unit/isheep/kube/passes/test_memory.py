"""The idle plan of a run: how long it holds without a new plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from isheep.api.status import SelfAlignmentRunStatus
from isheep.kube.cache.records import timestamp
from isheep.kube.passes.attempts import attempt_of
from isheep.kube.passes.memory import IdlePlan, idle_plan
from isheep.planner.types import Plan, Remove, Stop

from ..builders import CREATED, a_job, a_run, a_start

NOW = timestamp(CREATED)
RUN = a_run()
JOB = a_job(status={"active": 1})
ATTEMPTS = (attempt_of(JOB, None),)
LATER = NOW + timedelta(seconds=1)


@pytest.mark.parametrize("until", [None, LATER])
def test_an_idle_plan_holds_while_nothing_changes(until: Any) -> None:
    idle = IdlePlan(RUN, ATTEMPTS, NOW, until)
    assert idle.holds(replace(RUN), (attempt_of(replace(JOB, active=0), None),), NOW)


def test_an_idle_plan_ends_at_its_time() -> None:
    assert not IdlePlan(RUN, ATTEMPTS, NOW, LATER).holds(RUN, ATTEMPTS, LATER)


def test_an_idle_plan_ends_when_the_clock_is_set_back() -> None:
    earlier = NOW - timedelta(minutes=90)
    assert not IdlePlan(RUN, ATTEMPTS, NOW, LATER).holds(RUN, ATTEMPTS, earlier)


@pytest.mark.parametrize(
    ("run", "attempts"),
    [
        (replace(RUN, resource_version=RUN.resource_version + 1), ATTEMPTS),
        (replace(RUN, retry="again"), ATTEMPTS),
        (RUN, ()),
        (RUN, (attempt_of(replace(JOB, deleting=True), None),)),
        (RUN, (attempt_of(replace(JOB, started=NOW), None),)),
        (RUN, (*ATTEMPTS, *ATTEMPTS)),
    ],
)
def test_an_idle_plan_ends_with_any_change(run: Any, attempts: Any) -> None:
    assert not IdlePlan(RUN, ATTEMPTS, NOW, None).holds(run, attempts, NOW)


def a_plan(*actions: Any) -> Plan:
    return Plan(actions, SelfAlignmentRunStatus(), LATER)


def test_a_plan_without_actions_is_idle_until_its_time() -> None:
    assert idle_plan(a_plan(), RUN, ATTEMPTS, NOW) == IdlePlan(RUN, ATTEMPTS, NOW, LATER)


def test_the_end_of_a_removed_job_needs_no_plan() -> None:
    other = attempt_of(replace(JOB, name="other", uid="job-2"), None)
    idle = idle_plan(a_plan(Remove(JOB.name)), RUN, (*ATTEMPTS, other), NOW)
    assert idle is not None
    stopping = attempt_of(replace(JOB, deleting=True), None)
    for attempts in ((stopping, other), (other,)):
        assert idle.holds(RUN, attempts, NOW)
    assert not idle.holds(RUN, (), NOW)


@pytest.mark.parametrize("action", [Stop(JOB.name, "why"), a_start()])
def test_a_plan_that_starts_or_stops_is_not_idle(action: Any) -> None:
    assert idle_plan(a_plan(Remove(JOB.name), action), RUN, ATTEMPTS, NOW) is None


def test_a_run_that_rests_has_no_idle_plan() -> None:
    assert idle_plan(a_plan(), replace(RUN, rests=True), ATTEMPTS, NOW) is None
