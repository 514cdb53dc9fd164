"""The idle plan of a run: how long it holds without a new plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from isheep.kube.attempts import attempt_of
from isheep.kube.memory import IdlePlan
from isheep.kube.records import timestamp

from .builders import CREATED, a_job, a_run

NOW = timestamp(CREATED)
RUN = a_run()
JOB = a_job(status={"active": 1})
ATTEMPTS = (attempt_of(JOB, None),)
LATER = NOW + timedelta(seconds=1)


@pytest.mark.parametrize("until", [None, LATER])
def test_an_idle_plan_holds_while_nothing_changes(until: Any) -> None:
    idle = IdlePlan(RUN, ATTEMPTS, until)
    assert idle.holds(replace(RUN), (attempt_of(replace(JOB, active=0), None),), NOW)


def test_an_idle_plan_ends_at_its_time() -> None:
    assert not IdlePlan(RUN, ATTEMPTS, LATER).holds(RUN, ATTEMPTS, LATER)


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
    assert not IdlePlan(RUN, ATTEMPTS, None).holds(run, attempts, NOW)
