"""The invariants about the records of stages, the Lease and results: each one can fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from .api_server import JOBS, PODS, RUNS, Json
from .history import Final, History
from .invariants import committed_once, keeps_records, keeps_results, reacts, true_lease
from .nodes import Silence
from .store import Commit
from .test_invariants import KEY, history, job, run, stage, time
from .test_stop_invariants import lost_pod
from .test_themed_invariants import NODE

HOLD = {"reason": "Retrying", "message": "why", "stalled": False, "until": time(30), "times": 1}
STALL = {**HOLD, "reason": "StoreUnreachable", "stalled": True}
FAILED = stage(attempts=1, failures=1, hold=HOLD)
STALLED = stage(attempts=1, hold=STALL)
DONE = stage(attempts=2, failures=1, committed=True, counts={"completions": 5.0})
RECORDS: dict[str, tuple[Json, Json, int]] = {
    "a failure": (stage(attempts=0), FAILED, 0),
    "a commit": (FAILED, DONE, 0),
    "a failure without an attempt": (stage(attempts=1), FAILED, 2),
    "a wait that is gone": (FAILED, stage(attempts=1, failures=1), 1),
    "a failure that is gone": (FAILED, stage(attempts=1, hold=HOLD), 1),
    "fewer attempts": (stage(attempts=2), stage(attempts=1), 1),
    "more failures than attempts": (stage(), stage(attempts=1, failures=2), 1),
    "another count": (FAILED, {**DONE, "counts": {"completions": 6.0}}, 1),
    "no count": (FAILED, {**DONE, "counts": {}}, 0),
    "a count of what is not committed": (FAILED, {**DONE, "committed": False}, 1),
    "the second wait": (STALLED, stage(attempts=2, hold={**STALL, "times": 2}), 0),
    "the third wait": (STALLED, stage(attempts=2, hold={**STALL, "times": 3}), 1),
}


def of_run(document: Json, **fields: Any) -> Json:
    return {**document, "status": {**document["status"], **fields}}


def with_commit(made: History) -> History:
    content = {"completions": 5.0, "tokens": 100.0}
    return replace(made, commits=(Commit(1.0, "i1/generate/r1", KEY, "job-1", "x", True, content),))


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_changes_for_a_cause(name: str) -> None:
    before, after, found = RECORDS[name]
    rows = [(at, "MODIFIED", RUNS, run(stages=(one,))) for at, one in ((1.0, before), (2.0, after))]
    assert len(keeps_records.violations(with_commit(history(*rows)))) == found


def test_an_edit_resets_the_failures() -> None:
    rows = [
        (1.0, "MODIFIED", RUNS, run(stages=(FAILED,))),
        (2.0, "MODIFIED", RUNS, of_run(run(stages=(stage(attempts=1),)), observedGeneration=2)),
    ]
    assert keeps_records.violations(history(*rows)) == []


def lease(holder: str, taken: float, renewed: float, count: int) -> Json:
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": 22,
        "acquireTime": time(taken),
        "renewTime": time(renewed),
        "leaseTransitions": count,
    }
    return {"metadata": {"name": "lease", "uid": "lease"}, "spec": spec}


LEASES = {
    "a renewal": (lease("one", 1, 20, 0), 0),
    "another time of its begin": (lease("one", 20, 20, 0), 1),
    "another holder": (lease("two", 20, 20, 1), 0),
    "another holder that nobody counts": (lease("two", 20, 20, 0), 1),
    "a release": (lease("", 1, 1, 0), 0),
    "a release with another time": (lease("", 1, 20, 0), 1),
    "a time of long ago": (lease("one", 1, -30, 0), 1),
}


@pytest.mark.parametrize("name", LEASES)
def test_the_lease_says_who_may_write(name: str) -> None:
    first, (second, found) = lease("one", 1, 1, 0), LEASES[name]
    made = history((1.0, "ADDED", "leases", first), (20.0, "MODIFIED", "leases", second))
    last = replace(made.changes[1], before=first)
    assert len(true_lease.violations(replace(made, changes=(made.changes[0], last)))) == found


STARTED = of_run(run(), startTime=time(1), stage=None)
OTHERS: dict[str, tuple[Json, int]] = {
    "the same time": (STARTED, 0),
    "another start": (of_run(STARTED, startTime=time(2)), 1),
    "a start after an edit": (of_run(STARTED, startTime=time(2), observedGeneration=2), 1),
    "a start after a retry": (of_run(STARTED, startTime=time(2), lastHandledRetry="1"), 0),
    "the same start after a retry": (of_run(STARTED, lastHandledRetry="1", phase="Failed"), 1),
    "no start": (run(), 2),
    "a stage without its iteration": (of_run(STARTED, stage={"id": "i1/train", "key": KEY}), 3),
}


@pytest.mark.parametrize(("asked", "found"), [(1.9, 0), (2.1, 1)])
def test_a_run_may_start_again_in_the_second_of_its_start(asked: float, found: int) -> None:
    failed = of_run(STARTED, phase="Failed")
    rows = [
        (1.5, "ADDED", RUNS, failed),
        (asked, "MODIFIED", RUNS, of_run(run(retry="1"), **failed["status"])),
        (2.5, "MODIFIED", RUNS, of_run(run(retry="1"), **failed["status"], lastHandledRetry="1")),
    ]
    first, second, third = history(*rows).changes
    made = (first, replace(second, before=rows[0][3]), replace(third, before=rows[1][3]))
    assert len(keeps_results.violations(replace(history(), changes=made))) == found


@pytest.mark.parametrize("name", OTHERS)
def test_the_times_of_a_run_stay(name: str) -> None:
    after, found = OTHERS[name]
    first = of_run(STARTED, phase=after["status"]["phase"])
    rows = [(1.0, "ADDED", RUNS, first), (2.0, "MODIFIED", RUNS, after)]
    assert len(keeps_results.violations(history(*rows))) == found


@pytest.mark.parametrize(("name", "found"), [("peer", 1), ("run", 0)])
def test_a_request_that_hangs_delays_only_its_own_run(name: str, found: int) -> None:
    known = of_run(run("run", reason="Queued"), resolved={"prepared": {}})
    rows = [
        (0.0, "ADDED", RUNS, known),
        (1.0, "ADDED", JOBS, job(owner="run")),
        (10.0, "MODIFIED", JOBS, job(owner="run", finished=True)),
        (20.0, "MODIFIED", RUNS, of_run(known, stages=[stage(committed=True)])),
    ]
    text = f"PATCH /apis/x/selfalignmentruns/{name}/status: the answer takes too long"
    made = replace(history(*rows), faults=((9.0, text),), final=(Final(known, []),))
    assert len(reacts.violations(made)) == found


@pytest.mark.parametrize(
    ("gone", "silences", "found"),
    [
        (3.0, (), 1),
        (3.0, (Silence(NODE, 2.0, 30.0, frozen=False),), 0),
        (3.0, (Silence("another-node", 2.0, 30.0, frozen=False),), 1),
        (31.0, (Silence(NODE, 2.0, 30.0, frozen=False),), 1),
    ],
)
def test_only_a_pod_that_does_not_hear_of_its_deletion_may_commit_again(
    gone: float, silences: tuple[Silence, ...], found: int
) -> None:
    rows = [(1.0, "ADDED", JOBS, job()), (2.0, "ADDED", PODS, lost_pod())]
    made = history(*rows, (gone, "DELETED", JOBS, job()))
    commits = [
        Commit(at, "i1/assess", KEY, name, "x", first, {})
        for at, name, first in ((4.0, "job-2", True), (5.0, "job-1", False))
    ]
    made = replace(made, commits=tuple(commits), silences=silences)
    assert len(committed_once.violations(made)) == found
    assert committed_once.violations(replace(made, commits=tuple(commits[:1]))) == []
