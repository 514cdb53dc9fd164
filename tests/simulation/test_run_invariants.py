"""The invariants about a limit of runs, Events, and Jobs that stop or fail: each one can fail."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from .api_server import EVENTS, JOBS, PODS, RUNS, Json
from .invariants import (
    keeps_deadline,
    keeps_limit,
    loses_stopping,
    names_overdue,
    reads_failed_pods,
    true_events,
)
from .invariants.true_jobs import WALK
from .test_invariants import KEY, history, job, run, stage, time


def job_of_other() -> Json:
    return job("job-2", "uid-2")


@pytest.mark.parametrize(
    ("ended", "at", "limit", "found"),
    [(False, 60.0, 1, 1), (True, 60.0, 1, 0), (False, 60.0, 2, 0), (False, 60.0, None, 0)],
)
def test_no_run_works_beyond_the_limit(
    ended: bool, at: float, limit: int | None, found: int
) -> None:
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (0.0, "ADDED", RUNS, run("uid-2")),
        (1.0, "ADDED", JOBS, job()),
        (2.0, "MODIFIED", JOBS, job(finished=ended)),
        (at, "ADDED", JOBS, job_of_other()),
    ]
    assert len(keeps_limit.violations(replace(history(*rows), limit=limit))) == found


@pytest.mark.parametrize(
    ("phase", "at", "found"),
    [("Succeeded", 60.0, 1), ("Succeeded", 20.0, 0), ("Running", 60.0, 0)],
)
def test_a_free_place_is_used(phase: str, at: float, found: int) -> None:
    rows = [
        (0.0, "ADDED", RUNS, run(phase=phase)),
        (0.0, "ADDED", RUNS, run("uid-2", reason="RunLimit")),
        (at, "MODIFIED", RUNS, run(phase=phase, reason="x")),
    ]
    assert len(keeps_limit.violations(replace(history(*rows), limit=1))) == found


def limited(phase: str = "Running", reason: str = "Running", seconds: int = 60) -> Json:
    """Return a run with a deadline that has begun at the time 0."""
    found = run(phase=phase, reason=reason)
    found["status"]["startTime"] = time(0)
    return {**found, "spec": {"activeDeadlineSeconds": seconds}}


@pytest.mark.parametrize(("seconds", "at", "found"), [(60, 61.0, 0), (60, 59.0, 1), (90, 61.0, 1)])
def test_a_run_that_fails_before_its_deadline_is_a_violation(
    seconds: int, at: float, found: int
) -> None:
    over = limited("Failed", "DeadlineExceeded", seconds)
    rows = [(0.0, "ADDED", RUNS, limited(seconds=seconds)), (at, "MODIFIED", RUNS, over)]
    assert len(keeps_deadline.violations(history(*rows))) == found


@pytest.mark.parametrize(
    ("phase", "at", "found"),
    [("Running", 70.0, 1), ("Stalled", 70.0, 1), ("Running", 67.0, 0), ("Suspended", 70.0, 0)],
)
def test_a_run_that_goes_on_after_its_deadline_is_a_violation(
    phase: str, at: float, found: int
) -> None:
    rows = [(0.0, "ADDED", RUNS, limited(phase)), (at, "ADDED", JOBS, job_of_other())]
    assert len(keeps_deadline.violations(history(*rows))) == found


def failed_pod() -> Json:
    """Return a pod that has failed after the commit of the first stage."""
    message = json.dumps({"steps": [{"id": "i1/generate/r1", "key": KEY}]})
    states = [{"name": "worker", "state": {"terminated": {"exitCode": 1, "message": message}}}]
    metadata = {"name": "pod", "uid": "pod-1", "ownerReferences": [{"uid": "job-1"}]}
    return {"metadata": metadata, "status": {"phase": "Failed", "containerStatuses": states}}


def walking(*, failed: int = 0, **fields: Any) -> Json:
    found = copy.deepcopy(job())
    found["metadata"]["annotations"][WALK] = "{}"
    return {**found, "status": {"failed": failed}, **fields}


@pytest.mark.parametrize(
    ("at", "committed", "goes_on", "is_prepared", "found"),
    [
        (30.0, False, True, True, 1),
        (30.0, True, True, True, 0),
        (15.0, False, True, True, 0),
        (30.0, False, False, True, 0),
        (30.0, False, True, False, 0),
    ],
)
def test_the_commits_of_a_failed_pod_are_in_the_status(
    at: float, committed: bool, goes_on: bool, is_prepared: bool, found: int
) -> None:
    after = run(stages=(stage(committed=committed),))
    after["status"]["resolved"] = {"prepared": {}} if is_prepared else {}
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", JOBS, walking()),
        (9.0, "MODIFIED", PODS, failed_pod()),
        (10.0, "MODIFIED", JOBS, walking(failed=1, spec={"suspend": not goes_on})),
        (11.0, "MODIFIED", RUNS, after),
        (at, "MODIFIED", RUNS, run(reason="Retrying")),
    ]
    assert len(reads_failed_pods.violations(history(*rows))) == found


def stopping(*, seconds: int = 60) -> Json:
    document = copy.deepcopy(job())
    document["metadata"]["deletionTimestamp"] = "x"
    pods = {"terminationGracePeriodSeconds": seconds}
    document["spec"] = {"template": {"spec": pods}}
    return document


@pytest.mark.parametrize(("at", "found"), [(150.0, 0), (200.0, 1)])
def test_a_job_that_stops_for_too_long_is_lost(at: float, found: int) -> None:
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", JOBS, job()),
        (2.0, "MODIFIED", JOBS, stopping()),
        (3.0, "MODIFIED", RUNS, run(reason="Stopping")),
        (at, "ADDED", RUNS, run("uid-2")),
    ]
    # Only a change of a Job or a run lets the invariant look at the time.
    assert len(loses_stopping.violations(history(*rows))) == found


def event(reason: str, name: str = "event-1") -> Json:
    return {
        "metadata": {"name": name, "uid": name},
        "involvedObject": {"uid": "uid-1"},
        "reason": reason,
    }


EVENTS_OF_A_RUN: dict[str, tuple[list[tuple[float, str, str, Any]], int]] = {
    "a move": ([(5.1, "ADDED", EVENTS, event("Running"))], 0),
    "a move without an Event": ([], 1),
    "another Event": ([(5.1, "ADDED", EVENTS, event("Suspended"))], 1),
    "a retry that nobody has asked for": (
        [
            (5.1, "ADDED", EVENTS, event("Running")),
            (5.2, "ADDED", EVENTS, event("NothingToRetry", "event-2")),
        ],
        1,
    ),
}


@pytest.mark.parametrize("name", EVENTS_OF_A_RUN)
def test_events_tell_what_has_happened(name: str) -> None:
    rows, found = EVENTS_OF_A_RUN[name]
    made = history((5.0, "ADDED", RUNS, run(phase="Running")), *rows)
    assert len(true_events.violations(made)) == found


def test_the_cause_of_a_stalled_run_has_an_event() -> None:
    rows = [(5.0, "ADDED", RUNS, run(phase="Stalled", reason="QuotaExceeded"))]
    rows.append((5.1, "ADDED", EVENTS, event("QuotaExceeded")))
    assert true_events.violations(history(*rows)) == []
    assert len(true_events.violations(history(rows[0]))) == 1


@pytest.mark.parametrize(("reason", "found"), [("PrepareOverdue", 0), ("Retrying", 1)])
def test_a_prepare_that_is_too_slow_is_named(reason: str, found: int) -> None:
    slow, begun = copy.deepcopy(job()), copy.deepcopy(job())
    for document in (slow, begun):
        document["metadata"]["annotations"]["isheep.dev/steps"] = '[{"id":"prepare","key":"k"}]'
    ends = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
    slow["status"]["conditions"] = [ends]
    told = run(phase="Stalled", reason=reason)
    told["status"]["lastFailure"] = {"stage": "prepare", "reason": reason}
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (21.0, "ADDED", JOBS, begun),
        (30.0, "MODIFIED", JOBS, slow),
        (31.0, "MODIFIED", RUNS, told),
        (60.0, "ADDED", RUNS, run("uid-2")),
    ]
    assert len(names_overdue.violations(history(*rows))) == found
