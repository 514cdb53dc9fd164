"""The invariants about refused, replaced and finished Jobs, and about warnings: each can fail."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from .api_server import JOBS, PODS, RUNS, Json
from .connection import Request
from .history import Final, History
from .invariants import (
    adopts_known,
    asks_seldom,
    finds_by_pods,
    keeps_logs,
    no_orphans,
    tells_refusals,
    true_figures,
    true_messages,
    true_phases,
    true_reasons,
    true_warnings,
    waits_after_failures,
)
from .refusals import REFUSALS
from .store import Commit
from .test_invariants import KEY, history, job, run, stage, time
from .test_status_invariants import PREPARED, job_with
from .test_status_invariants import ended as failed_pod

PLACE = "/apis/batch/v1/namespaces/ns/jobs"
QUOTA = REFUSALS[0]


def planned(*stages: Json, **fields: Any) -> Json:
    """Return a run whose prepare has committed."""
    document = run(stages=stages, **fields)
    document["status"]["resolved"] = PREPARED
    return document


def posts(*times: float, refused: bool = True) -> tuple[Request, ...]:
    """Return requests that create the Job `job-1` at some times; each one is refused."""
    refusal = QUOTA if refused else None
    return tuple(
        Request(at, "operator", 1, "POST", PLACE, job(), 403 if refused else 201, 1, refusal)
        for at in times
    )


@pytest.mark.parametrize(
    ("times", "found"),
    [((10.0, 15.2), 0), ((10.0, 12.0), 1), ((10.0, 25.0), 1), ((10.0, 15.2, 25.5, 46.0), 0)],
)
def test_a_refused_job_is_tried_again_after_a_wait_that_grows(
    times: tuple[float, ...], found: int
) -> None:
    rows = [(0.0, "ADDED", RUNS, run()), (10.1, "MODIFIED", RUNS, run(reason="QuotaExceeded"))]
    made = history(*rows, requests=posts(*times))
    assert len(tells_refusals.violations(made)) == found


@pytest.mark.parametrize(
    ("reason", "found"), [("QuotaExceeded", 0), ("Running", 1), ("JobInvalid", 1)]
)
def test_a_run_says_why_its_job_is_refused(reason: str, found: int) -> None:
    rows = [(0.0, "ADDED", RUNS, run()), (10.1, "MODIFIED", RUNS, run(reason=reason))]
    assert len(tells_refusals.violations(history(*rows, requests=posts(10.0)))) == found


@pytest.mark.parametrize(
    ("reason", "message", "found"),
    [
        ("QuotaExceeded", QUOTA.message, 0),
        ("QuotaExceeded", "x", 1),
        ("JobInvalid", "is invalid", 2),
    ],
)
def test_a_refusal_is_explained_with_its_own_reason_and_text(
    reason: str, message: str, found: int
) -> None:
    refused = run(reason=reason)
    refused["status"]["conditions"][0]["message"] = message
    rows = [(0.0, "ADDED", RUNS, run()), (10.1, "MODIFIED", RUNS, refused)]
    assert len(true_reasons.violations(history(*rows, requests=posts(10.0)))) == found


def ended(kind: str, walk: Json | None = None, uid: str = "job-1") -> Json:
    document = copy.deepcopy(job(uid))
    document["status"]["conditions"] = [{"type": kind, "status": "True"}]
    if walk is not None:
        document["metadata"]["annotations"]["isheep.dev/walk"] = json.dumps(walk)
    return document


def deleting(document: Json) -> Json:
    metadata = {**document["metadata"], "deletionTimestamp": "x"}
    return {**document, "metadata": metadata}


WALK = {"grouping": "PerRole", "claim": KEY}
NEEDED: dict[str, tuple[Json, Json, int]] = {
    "a committed stage": (ended("Complete"), stage(committed=True, attempts=1), 0),
    "the last attempt": (ended("Failed"), stage(attempts=1), 1),
    "an earlier attempt": (ended("Failed"), stage(attempts=2), 0),
    "a walk whose end is not stored": (ended("Failed", WALK), stage(attempts=0), 1),
    "a walk that is not over": (ended("Failed", WALK), stage(attempts=1), 1),
    "a walk that is over": (ended("Failed", WALK), stage(attempts=1, committed=True), 0),
}


@pytest.mark.parametrize("name", NEEDED)
def test_an_attempt_is_deleted_only_if_nobody_needs_its_logs(name: str) -> None:
    document, record, found = NEEDED[name]
    rows = [
        (0.0, "ADDED", RUNS, planned()),
        (1.0, "ADDED", JOBS, {**document, "status": {}}),
        (2.0, "MODIFIED", JOBS, document),
        (3.0, "MODIFIED", RUNS, planned(record)),
        (4.0, "MODIFIED", JOBS, deleting(document)),
    ]
    path = f"{PLACE}/job-1"
    deletion = Request(4.0, "operator", 1, "DELETE", path, {}, 200, 5)
    made = history(*rows, requests=(deletion,))
    assert len(keeps_logs.violations(made)) == found


@pytest.mark.parametrize(("committed", "at", "found"), [(True, 60.0, 1), (True, 20.0, 0)])
def test_an_attempt_that_nobody_needs_must_go(committed: bool, at: float, found: int) -> None:
    record = stage(committed=committed, attempts=1)
    rows = [
        (0.0, "ADDED", RUNS, planned()),
        (1.0, "ADDED", JOBS, job()),
        (2.0, "MODIFIED", JOBS, ended("Complete")),
        (3.0, "MODIFIED", RUNS, planned(record)),
        (at, "MODIFIED", RUNS, planned(record, reason="Queued")),
    ]
    assert len(keeps_logs.violations(history(*rows))) == found


def test_a_job_with_a_result_that_is_not_stored_is_needed() -> None:
    other = {"id": "i1/curate/r1", "key": "c" * 64}
    message = json.dumps({"steps": [other]})
    pod = {
        "metadata": {"name": "pod-1", "uid": "pod-1", "ownerReferences": [{"uid": "job-1"}]},
        "status": {"containerStatuses": [{"state": {"terminated": {"message": message}}}]},
    }
    document = ended("Complete", WALK)
    rows = [
        (0.0, "ADDED", RUNS, planned()),
        (1.0, "ADDED", JOBS, {**document, "status": {}}),
        (2.0, "MODIFIED", PODS, pod),
        (2.0, "MODIFIED", JOBS, document),
        (3.0, "MODIFIED", RUNS, planned(stage(committed=True, attempts=1), other)),
        (4.0, "MODIFIED", JOBS, deleting(document)),
    ]
    deletion = Request(4.0, "operator", 1, "DELETE", f"{PLACE}/job-1", {}, 200, 6)
    assert len(keeps_logs.violations(history(*rows, requests=(deletion,)))) == 1


FATAL = stage(attempts=1, failure={"reason": "Defect", "message": "why"})
LEFT: dict[str, tuple[Json, Json, str, int]] = {
    "no measurement has failed": (ended("Failed"), stage(attempts=1), "Succeeded", 1),
    "the last attempt of a measurement": (ended("Failed"), FATAL, "Succeeded", 0),
    "an earlier attempt": (ended("Failed"), {**FATAL, "attempts": 2}, "Succeeded", 1),
    "an attempt at work": (job(), FATAL, "Succeeded", 1),
    "a walk to a measurement": (ended("Failed", WALK), FATAL, "Succeeded", 0),
    "a walk of another iteration": (
        ended("Failed", WALK),
        {**FATAL, "id": "i2/evaluate/x"},
        "Succeeded",
        1,
    ),
    "a run that has failed": (ended("Failed"), stage(attempts=1), "Failed", 0),
    "an attempt at work for a run that has failed": (job(), stage(), "Failed", 1),
    "a run that goes on": (job(), stage(), "Running", 0),
}


@pytest.mark.parametrize("name", LEFT)
def test_only_the_job_of_a_failed_measurement_is_left_of_a_complete_run(name: str) -> None:
    document, record, phase, found = LEFT[name]
    final = Final(planned(record, phase=phase), [document])
    made = replace(history(), final=(final,), jobs=(document,))
    assert len(no_orphans.violations(made)) == found
    assert len(no_orphans.violations(replace(made, final=()))) == 1


VERDICT = {"id": "i1/verdict", "key": KEY, "committed": True, "counts": {"alarms": 1.0}}
FAILED = {"id": "i1/score/x", "key": KEY, "failure": {"reason": "Defect", "message": "why"}}
WARNINGS: dict[str, tuple[list[Json], list[tuple[str, str]], int]] = {
    "an alarm": ([VERDICT], [("Degrading", "True")], 0),
    "an alarm that is not shown": ([VERDICT], [], 1),
    "a warning without an alarm": ([], [("Degrading", "True")], 1),
    "a failed measurement": ([FAILED], [("Evaluated", "False")], 0),
    "a failed measurement that is not shown": ([FAILED], [], 1),
    "a measurement that has not failed": ([], [("Evaluated", "False")], 1),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_a_run_has_the_warnings_of_its_stages(name: str) -> None:
    stages, shown, found = WARNINGS[name]
    document = planned(*stages)
    document["status"]["conditions"] += [{"type": t, "status": s} for t, s in shown]
    assert len(true_warnings.violations(history((0.0, "ADDED", RUNS, document)))) == found


@pytest.mark.parametrize(("difference", "found"), [(0.25, 0), (0.5, 1), (None, 1)])
def test_a_comparison_differs_from_its_verdict(difference: float | None, found: int) -> None:
    statistics = {"items": 60.0, "difference": 0.25}
    shown = None if difference is None else {"items": 60, "difference": difference}
    document = planned(VERDICT, phase="Succeeded")
    document["spec"]["yardstick"] = {"items": 60}
    document["status"]["history"] = [{"iteration": 1, "completions": 0, "yardstick": shown}]
    commit = Commit(0.0, "i1/verdict", KEY, "job-1", "", first=True, statistics=statistics)
    made: History = replace(history(), commits=(commit,), final=(Final(document, []),))
    assert len(true_figures.violations(made)) == found


@pytest.mark.parametrize(
    ("stages", "phase", "at", "found"),
    [
        (("i1/generate/r1", "i1/generate/r1"), "Running", 60.0, 1),
        (("i1/generate/r1", "i1/generate/r1"), "Running", 4.0, 0),
        (("i1/generate/r1", "i1/generate/r1"), "Failed", 60.0, 0),
        (("i1/generate/r1", "prepare"), "Running", 60.0, 0),
        (("prepare", "prepare"), "Running", 60.0, 1),
        (("i1/report", "i2/generate/r1"), "Running", 60.0, 0),
    ],
)
def test_no_job_is_created_beside_one_without_labels(
    stages: tuple[str, str], phase: str, at: float, found: int
) -> None:
    old, new = job(), job("job-2")
    for document, stage_id in zip((old, new), stages, strict=True):
        steps = json.dumps([{"id": stage_id, "key": KEY}])
        document["metadata"]["annotations"] = {"isheep.dev/steps": steps}
    hidden = copy.deepcopy(old)
    hidden["metadata"]["labels"] = {}
    owners = [{"uid": "job-1"}]
    pod: Json = {"metadata": {"name": "pod-1", "uid": "pod-1", "ownerReferences": owners}}
    rows: list[Any] = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", JOBS, old),
        (1.5, "ADDED", PODS, {**pod, "status": {"phase": "Running"}}),
        (2.0, "MODIFIED", JOBS, hidden),
        (3.0, "MODIFIED", PODS, {**pod, "status": {"phase": phase}}),
        (at, "ADDED", JOBS, new),
    ]
    faults = ((2.0, "Act(kind='unlabel-job', seconds=120.0, value=None)"),)
    assert len(finds_by_pods.violations(replace(history(*rows), faults=faults))) == found


@pytest.mark.parametrize(
    ("at", "code", "found"), [(21.0, 1, 1), (31.0, 1, 0), (21.0, 80, 0), (21.0, 143, 1)]
)
def test_an_attempt_waits_after_one_that_has_failed(at: float, code: int, found: int) -> None:
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", JOBS, job_with()),
        (19.0, "MODIFIED", PODS, failed_pod(code)),
        (20.0, "MODIFIED", JOBS, job_with(failed=True)),
        (at, "ADDED", JOBS, job("job-2")),
    ]
    assert len(waits_after_failures.violations(history(*rows))) == found


@pytest.mark.parametrize(("made", "found"), [(1.0, 1), (30.0, 0)])
def test_a_stage_that_prepare_has_found_needs_no_job(made: float, found: int) -> None:
    labels = {"isheep.dev/run-uid": "uid-1", "isheep.dev/stage": "prepare"}
    pod: Json = {"metadata": {"name": "p", "uid": "p", "labels": labels}}
    ended = {"containerStatuses": [{"state": {"terminated": {"message": '{"prepared":{}}'}}}]}
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (5.0, "MODIFIED", PODS, {**pod, "status": {"phase": "Running"}}),
        (9.0, "MODIFIED", PODS, {**pod, "status": {"phase": "Succeeded", **ended}}),
        (40.0, "ADDED", JOBS, job()),
    ]
    commit = Commit(made, "i1/generate/r1", KEY, "job-0", "", first=True, statistics={})
    assert len(adopts_known.violations(replace(history(*rows), commits=(commit,)))) == found


RUNS_PATH = "/apis/isheep.dev/v1alpha1/selfalignmentruns?limit=500"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/system/leases/isheep-operator"
STATUS = "/apis/isheep.dev/v1alpha1/namespaces/ns/selfalignmentruns/uid-1/status"
SEARCH = "/api/v1/namespaces/ns/pods?labelSelector=isheep.dev%2Frun-uid%3Duid-1"
LOOK = "/api/v1/namespaces/ns/pods?labelSelector=batch.kubernetes.io%2Fcontroller-uid%3Djob-1"


def asked(*rows: tuple[float, str, str, int]) -> tuple[Request, ...]:
    """Return requests of a process: the time, the method, the path and the status of each."""
    return tuple(
        Request(at, "operator", 1, method, path, {}, status, 1) for at, method, path, status in rows
    )


ASKED: dict[str, tuple[tuple[Request, ...], int]] = {
    "a LIST in time": (asked((0.0, "GET", RUNS_PATH, 200), (300.0, "GET", RUNS_PATH, 200)), 0),
    "a late LIST": (asked((0.0, "GET", RUNS_PATH, 200), (400.0, "GET", RUNS_PATH, 200)), 1),
    "no LIST": (asked((0.0, "GET", RUNS_PATH, 200), (400.0, "GET", LOOK, 200)), 1),
    "a LIST after the watches": (asked(*((at, "GET", RUNS_PATH, 200) for at in (0.0, 1.0))), 0),
    "an early LIST": (asked(*((at, "GET", RUNS_PATH, 200) for at in (0.0, 1.0, 20.0))), 1),
    "looks": (asked((20.0, "GET", LOOK, 200), (50.0, "GET", LOOK, 200)), 0),
    "an early look": (asked((20.0, "GET", LOOK, 200), (30.0, "GET", LOOK, 200)), 1),
    "a useless write": (asked((30.0, "PATCH", STATUS, 200)), 1),
    "a write": (asked((0.0, "PATCH", STATUS, 200)), 0),
    "a search": (asked((20.0, "GET", SEARCH, 200)), 0),
    "a second page": (
        asked((20.0, "GET", SEARCH, 200), (20.1, "GET", f"{SEARCH}&continue=10.1", 200)),
        0,
    ),
    "a second search": (asked((20.0, "GET", SEARCH, 200), (21.0, "GET", SEARCH, 200)), 1),
    "the Lease of another": (asked((5.0, "GET", LEASE, 200), (9.0, "GET", LEASE, 200)), 0),
    "the Lease that it holds": (asked((5.0, "PUT", LEASE, 200), (9.0, "GET", LEASE, 200)), 1),
    "a Job that the watch reports": (asked((20.0, "GET", f"{PLACE}/job-1", 200)), 1),
    "a Job that has no pod": (asked((20.0, "GET", f"{PLACE}/job-1", 200)), 0),
    "a Job that may be too new": (asked((2.0, "GET", f"{PLACE}/job-1", 200)), 0),
    "a Job that is gone": (asked((20.0, "GET", f"{PLACE}/job-1", 404)), 0),
    "no Lease": (asked((5.0, "GET", LEASE, 404), (9.0, "GET", LEASE, 404)), 1),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_request_that_is_late_early_or_useless_is_a_violation(name: str) -> None:
    requests, found = ASKED[name]
    working = job()
    working["status"]["active"] = int("no pod" not in name)
    rows = [(0.0, "ADDED", RUNS, run()), (1.0, "ADDED", JOBS, working)]
    assert len(asks_seldom.violations(history(*rows, requests=requests))) == found


@pytest.mark.parametrize(("phase", "at", "found"), [("Pending", 9.0, 1), ("Running", 9.0, 0)])
def test_a_run_whose_job_goes_on_is_not_pending(phase: str, at: float, found: int) -> None:
    document = run(phase=phase)
    document["status"]["conditions"][0]["lastTransitionTime"] = time(0)
    rows = [
        (0.0, "ADDED", RUNS, document),
        (1.0, "ADDED", JOBS, job()),
        (at, "MODIFIED", JOBS, job_with()),
    ]
    assert len(true_phases.violations(history(*rows))) == found


@pytest.mark.parametrize(
    ("said", "message", "found"),
    [
        ('{"message": "no disk"}', "i1/respond: no disk", 0),
        ('{"message": "no disk"}', "a finalizer keeps it", 1),
        ("", "job-1-0 ended with exit code 74", 0),
        ("", "a finalizer keeps it", 1),
    ],
)
def test_the_message_of_a_failure_is_that_of_its_pod(said: str, message: str, found: int) -> None:
    told = planned()
    told["status"]["lastFailure"] = {"pod": "pod-1", "message": message}
    rows = [(0.0, "ADDED", PODS, failed_pod(74, said)), (1.0, "ADDED", RUNS, told)]
    assert len(true_messages.violations(history(*rows))) == found
