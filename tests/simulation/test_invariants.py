"""The invariants about reactions, attempts, ghosts and peers, on histories of a few changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ..unit.isheep.kube.virtual_time import START
from .api_server import JOBS, RUNS, Change, Json
from .connection import Received, Request
from .history import History
from .invariants import no_ghosts, no_step_back, oldest_first, reacts, true_attempts, true_requests

KEY = "k" * 64


def time(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(
    uid: str = "uid-1",
    phase: str | None = "Running",
    reason: str = "Running",
    *,
    stages: tuple[Json, ...] = (),
    retry: str | None = None,
) -> Json:
    condition = {"type": "Ready", "status": "False", "reason": reason, "message": ""}
    status = {
        "phase": phase,
        "observedGeneration": 1,
        "conditions": [condition],
        "stages": list(stages),
    }
    annotations = {} if retry is None else {"isheep.dev/retry": retry}
    metadata = {"name": uid, "uid": uid, "generation": 1, "creationTimestamp": time(0)}
    return {
        "metadata": {**metadata, "annotations": annotations},
        "spec": {"iterations": 2},
        "status": status,
    }


def stage(**fields: Any) -> Json:
    return {"id": "i1/generate/r1", "key": KEY, **fields}


def job(uid: str = "job-1", owner: str = "uid-1", *, finished: bool = False, **spec: bool) -> Json:
    labels = {"isheep.dev/run-uid": owner, "isheep.dev/attempt": "1"}
    steps = json.dumps([{"id": "i1/generate/r1", "key": KEY}])
    metadata = {
        "name": uid,
        "uid": uid,
        "labels": labels,
        "annotations": {"isheep.dev/steps": steps},
        "ownerReferences": [{"uid": owner, "controller": True}],
    }
    ends = [{"type": "Complete", "status": "True"}] if finished else []
    return {"metadata": metadata, "spec": spec, "status": {"conditions": ends}}


def changes(*rows: tuple[float, str, str, Json]) -> tuple[Change, ...]:
    return tuple(
        Change(version, kind, resource, document["metadata"]["name"], None, document, at)
        for version, (at, kind, resource, document) in enumerate(rows, 1)
    )


def history(*rows: tuple[float, str, str, Json], requests: tuple[Request, ...] = ()) -> History:
    return History(
        changes(*rows), requests, (), (), frozenset(), (), (), (), (), (), (), (), created=1
    )


LATE = {
    "a retry": [
        (0.0, "ADDED", RUNS, run(reason="Queued", retry="1")),
        (90.0, "MODIFIED", JOBS, job()),
    ],
    "nothing at work": [
        (0.0, "ADDED", RUNS, run()),
        (90.0, "ADDED", JOBS, job()),
    ],
    "the end of a wait": [
        (
            0.0,
            "ADDED",
            RUNS,
            run(reason="Retrying", stages=(stage(hold={"reason": "Retrying", "until": time(10)}),)),
        ),
        (90.0, "ADDED", JOBS, job()),
    ],
    "no peer": [
        (0.0, "ADDED", RUNS, run(reason="WaitingForPeer")),
        (90.0, "ADDED", JOBS, job()),
    ],
    "a queue": [
        (0.0, "ADDED", RUNS, run()),
        (0.0, "ADDED", JOBS, job(suspend=True)),
        (90.0, "MODIFIED", RUNS, run(reason="Queued")),
    ],
    "a stop": [
        (0.0, "ADDED", RUNS, run(reason="Stopping")),
        (900.0, "MODIFIED", RUNS, run()),
    ],
}


@pytest.mark.parametrize("name", LATE)
def test_a_late_reaction_is_a_violation(name: str) -> None:
    assert len(reacts.violations(history(*LATE[name]))) == 1


def test_a_run_may_wait_for_a_peer_that_goes_on() -> None:
    waiting = (0.0, "ADDED", RUNS, run(reason="WaitingForPeer"))
    peer = (0.0, "ADDED", RUNS, run("uid-0"))
    works = (1.0, "ADDED", JOBS, job("job-0", "uid-0"))
    last = (90.0, "MODIFIED", RUNS, run(reason="Succeeded", phase="Succeeded"))
    assert reacts.violations(history(waiting, peer, works, last)) == []


@pytest.mark.parametrize("before", [None, job(finished=True)])
def test_a_job_that_gets_its_labels_again_does_not_end_again(before: Json | None) -> None:
    prepared = run(reason="Queued")
    prepared["status"]["resolved"] = {"prepared": {}}
    made = history(
        (0.0, "ADDED", RUNS, prepared),
        (0.0, "ADDED", JOBS, job()),
        (50.0, "MODIFIED", JOBS, job(finished=True)),
        (90.0, "MODIFIED", RUNS, run(reason="Queued")),
    )
    first, begun, ended, last = made.changes
    made = replace(made, changes=(first, begun, replace(ended, before=before), last))
    assert len(reacts.violations(made)) == (before is None)


def test_an_operator_may_be_late_when_something_disturbs_it() -> None:
    found = history(*LATE["no peer"])
    cut = (1.0, "Act(kind='partition', seconds=45.0, value=None)")
    disturbed = History(
        **{name: (cut,) if name == "faults" else getattr(found, name) for name in History.__slots__}
    )
    assert reacts.violations(disturbed) == []


@pytest.mark.parametrize(("at", "found"), [(101.5, 0), (110.0, 1)])
def test_a_job_of_a_run_that_is_gone_is_a_violation(at: float, found: int) -> None:
    rows = [(0.0, "ADDED", RUNS, run()), (100.0, "DELETED", RUNS, run())]
    assert len(no_ghosts.violations(history(*rows, (at, "ADDED", JOBS, job())))) == found


@pytest.mark.parametrize(
    ("reason", "found"), [("Running", 1), ("Retrying", 1), ("WaitingForPeer", 0)]
)
def test_an_older_run_gets_the_stage_that_it_wants(reason: str, found: int) -> None:
    older = run("uid-0", reason=reason, stages=(stage(committed=False),))
    rows = [(0.0, "ADDED", RUNS, older), (0.0, "ADDED", RUNS, run())]
    begins = (60.0, "ADDED", JOBS, job())
    assert len(oldest_first.violations(history(*rows, begins))) == found


def request(at: float, method: str, path: str, version: int, status: int = 200) -> Request:
    body = {"preconditions": {"uid": "job-1"}, "metadata": {"name": "job-1"}}
    return Request(at, "operator", 1, method, path, body, status, version)


@pytest.mark.parametrize(
    ("finished", "before", "after", "found"),
    [
        (True, stage(committed=False), stage(committed=True), 1),
        (True, stage(committed=True), stage(committed=True), 0),
        (False, stage(attempts=0), stage(attempts=0), 1),
        (False, stage(attempts=0), stage(attempts=1), 0),
    ],
)
def test_a_deleted_attempt_counts_and_its_result_was_stored(
    finished: bool, before: Json, after: Json, found: int
) -> None:
    rows = [
        (0.0, "ADDED", RUNS, run(stages=(before,))),
        (1.0, "ADDED", JOBS, job()),
        (9.0, "MODIFIED", JOBS, job(finished=finished)),
        (10.1, "MODIFIED", RUNS, run(stages=(after,))),
    ]
    requests = (
        request(10.0, "DELETE", "/namespaces/ns/jobs/job-1", 3),
        request(10.1, "PATCH", "/namespaces/ns/selfalignmentruns/uid-1/status", 4),
    )
    assert len(true_attempts.violations(history(*rows, requests=requests))) == found


def test_a_job_that_an_operator_knows_is_not_created_again() -> None:
    again = request(99.0, "POST", "/namespaces/ns/jobs", 3, 409)
    assert len(true_requests.violations(history(requests=(again,)))) == 1


@pytest.mark.parametrize(
    ("version", "received", "found"),
    [(1, 0, 0), (1, 1, 1), (2, 1, 0)],
)
def test_a_write_is_not_for_a_version_that_is_known_to_be_old(
    version: int, received: int, found: int
) -> None:
    rows = [(0.0, "ADDED", RUNS, run()), (1.0, "MODIFIED", RUNS, run())]
    path = "/namespaces/ns/selfalignmentruns/uid-1/status"
    body = {"metadata": {"resourceVersion": str(version)}}
    write = Request(2.0, "operator", 1, "PATCH", path, body, 409, 2, received=received)
    made = replace(history(*rows, requests=(write,)), received=(Received(1, "uid-1", 2),))
    assert len(no_step_back.violations(made)) == found
