"""The invariants about Jobs that must stop, that are lost, that walk or that are gone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from isheep.kube.passes.attempts import _lost_message

from .api_server import JOBS, PODS, RUNS, Json
from .connection import Request
from .history import History
from .invariants import (
    gpu_pods,
    leaves_lost_nodes,
    lists_first,
    no_ghosts,
    one_job,
    one_walk,
    reacts,
    stops_replaced,
    true_attempts,
    true_counts,
    true_finalizers,
)
from .nodes import Silence
from .store import Commit
from .test_invariants import KEY, history, job, run, stage, time
from .test_themed_invariants import NODE, pod

NEW = "n" * 64
OTHER = "o" * 64
VERSION = "resourceVersion"


def answered(*stages: Json, prepared: bool = True) -> Json:
    """Return a run whose status answers its newest spec."""
    found = run(stages=stages)
    resolved = {"prepared": {}} if prepared else {}
    return {**found, "status": {**found["status"], "resolved": resolved}}


def deleted(document: Json, at: float = 41.0) -> Json:
    metadata = {**document["metadata"], "deletionTimestamp": time(at)}
    pods = {"template": {"spec": {"terminationGracePeriodSeconds": 60}}}
    return {**document, "metadata": metadata, "spec": {**document["spec"], **pods}}


@pytest.mark.parametrize(
    ("after", "at", "found"),
    [
        (answered(stage(key=NEW)), 10.0, 1),
        (answered(stage(key=NEW)), 5.5, 0),
        (answered(stage()), 10.0, 0),
        (answered({"id": "prepare", "key": NEW}, prepared=False), 10.0, 0),
        ({**answered(stage(key=NEW)), "status": {"phase": "Suspended"}}, 10.0, 0),
    ],
)
def test_a_job_whose_stage_is_replaced_stops_soon(after: Json, at: float, found: int) -> None:
    rows = [
        (0.0, "ADDED", RUNS, answered(stage())),
        (1.0, "ADDED", JOBS, job()),
        (5.0, "MODIFIED", RUNS, after),
        (at, "MODIFIED", JOBS, deleted(job())),
    ]
    assert len(stops_replaced.violations(history(*rows))) == found


def prepare_job() -> Json:
    found = job()
    steps = json.dumps([{"id": "prepare", "key": KEY}])
    return {**found, "metadata": {**found["metadata"], "annotations": {"isheep.dev/steps": steps}}}


@pytest.mark.parametrize(("key", "found"), [(NEW, 1), (KEY, 0)])
def test_the_job_of_an_old_prepare_stops_before_the_new_one_commits(key: str, found: int) -> None:
    before, after = (answered({"id": "prepare", "key": one}, prepared=False) for one in (KEY, key))
    rows = [
        (0.0, "ADDED", RUNS, before),
        (1.0, "ADDED", JOBS, prepare_job()),
        (5.0, "MODIFIED", RUNS, after),
        (20.0, "MODIFIED", JOBS, deleted(prepare_job())),
    ]
    assert len(stops_replaced.violations(history(*rows))) == found


def lost_pod(**fields: Any) -> Json:
    found = pod(**fields)
    metadata = {**found["metadata"], "ownerReferences": [{"uid": "job-1"}]}
    return {**found, "metadata": metadata}


@pytest.mark.parametrize(
    ("fields", "document", "at", "found"),
    [
        ({"marked": 40.0}, run(), 450.0, 1),
        ({"marked": 40.0}, run(), 390.0, 0),
        ({"gone_by": 40.0}, run(), 170.0, 1),
        ({"gone_by": 40.0}, run(), 150.0, 0),
        ({}, run(), 2000.0, 0),
    ],
)
def test_an_attempt_on_a_lost_node_ends(
    fields: dict[str, Any], document: Json, at: float, found: int
) -> None:
    rows = [
        (0.0, "ADDED", RUNS, document),
        (1.0, "ADDED", JOBS, job()),
        (40.0, "ADDED", PODS, lost_pod(**fields)),
        (at, "MODIFIED", JOBS, deleted(job())),
    ]
    silent = replace(history(*rows), silences=(Silence(NODE, 0.0, 3000.0, frozen=True),))
    assert len(leaves_lost_nodes.violations(silent)) == found


@pytest.mark.parametrize(
    ("reason", "at", "found"),
    [("Stopping", 300.0, 1), ("Stopping", 210.0, 0), ("Running", 300.0, 0)],
)
def test_nobody_waits_for_the_end_of_a_lost_job(reason: str, at: float, found: int) -> None:
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", JOBS, job()),
        (40.0, "ADDED", PODS, lost_pod(gone_by=40.0)),
        (41.0, "MODIFIED", JOBS, deleted(job())),
        (41.0, "MODIFIED", RUNS, run(reason=reason)),
        (at, "MODIFIED", RUNS, run()),
    ]
    silent = replace(history(*rows), silences=(Silence(NODE, 0.0, 3000.0, frozen=True),))
    assert len(leaves_lost_nodes.violations(silent)) == found


def walking(uid: str, claim: str, *, grouping: str = "PerRole", labelled: bool = True) -> Json:
    found = job(uid)
    walk = json.dumps({"grouping": grouping, "claim": claim})
    annotations = {**found["metadata"]["annotations"], "isheep.dev/walk": walk}
    labels = found["metadata"]["labels"] if labelled else {}
    metadata = {**found["metadata"], "annotations": annotations, "labels": labels}
    return {**found, "metadata": metadata}


@pytest.mark.parametrize(
    ("before", "has_pod", "claim", "found"),
    [
        (walking("job-1", KEY), True, KEY, 1),
        (walking("job-1", KEY, labelled=False), True, KEY, 1),
        (walking("job-1", KEY, labelled=False), False, KEY, 0),
        (walking("job-1", KEY), True, OTHER, 0),
        (walking("job-1", KEY, grouping="Run"), True, OTHER, 1),
        (deleted(walking("job-1", KEY, labelled=False)), True, KEY, 0),
    ],
)
def test_no_job_begins_beside_one_that_walks(
    before: Json, has_pod: bool, claim: str, found: int
) -> None:
    rows = [(1.0, "ADDED", JOBS, walking("job-1", KEY))]
    if has_pod:
        rows.append((2.0, "ADDED", PODS, lost_pod()))
    rows += [(5.0, "MODIFIED", JOBS, before), (9.0, "ADDED", JOBS, walking("job-2", claim))]
    assert len(one_walk.violations(history(*rows))) == found


def test_two_runs_may_walk_through_a_stage_that_one_has_made_without_labels() -> None:
    other = walking("job-2", KEY, grouping="Run")
    owners = [{"uid": "uid-2", "controller": True}]
    labels = {"isheep.dev/run-uid": "uid-2"}
    first = {**other, "metadata": {**other["metadata"], "ownerReferences": owners}}
    second = {**first, "metadata": {**first["metadata"], "labels": labels}}
    bare = {**first, "metadata": {**first["metadata"], "labels": {}}}
    documents = [
        walking("job-1", KEY, grouping="Run"),
        second,
        walking("job-1", KEY, grouping="Run", labelled=False),
        bare,
    ]
    rows = [
        (float(at), "MODIFIED", JOBS, {**one, "metadata": {**one["metadata"], VERSION: str(at)}})
        for at, one in enumerate(documents, 1)
    ]
    assert one_job.violations(history(*rows)) == []


def charged(ended: bool = False, total: float = 60.0, **pods: float) -> Json:
    found = run()
    attempt = {"name": "job-1", "created": "then", "pods": pods, "ended": ended}
    gpu = {"attempts": [attempt], "seconds": {"nvidia.com/gpu": total}}
    return {**found, "status": {**found["status"], "gpu": gpu}}


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (charged(a=10.0, b=5.0, total=65.0), 0),
        (charged(a=10.0, b=5.0, total=64.0), 1),
        (charged(b=5.0, total=65.0), 1),
        (charged(a=9.0), 1),
        (charged(ended=True), 0),
        (run(), 0),
    ],
)
def test_what_is_charged_to_a_pod_stays(after: Json, found: int) -> None:
    rows = [(0.0, "ADDED", RUNS, charged(a=10.0)), (9.0, "MODIFIED", RUNS, after)]
    assert len(gpu_pods.violations(history(*rows))) == found


@pytest.mark.parametrize(("gone_at", "found"), [(30.0, 1), (57.0, 0), (None, 0)])
def test_a_finalizer_keeps_only_a_job_that_exists(gone_at: float | None, found: int) -> None:
    document = job()
    text = _lost_message(_Named(), (), kept=True)  # type: ignore[arg-type]
    held = run(stages=(stage(hold={"reason": "Disrupted", "message": text}),))
    rows = [(0.0, "ADDED", RUNS, run()), (1.0, "ADDED", JOBS, document)]
    if gone_at is not None:
        rows.append((gone_at, "DELETED", JOBS, document))
    rows.append((60.0, "MODIFIED", RUNS, held))
    assert len(true_finalizers.violations(history(*rows))) == found


class _Named:
    """A Job, of which the text needs the name."""

    name = "job-1"


@pytest.mark.parametrize(("stored", "found"), [(True, 0), (False, 1)])
def test_a_job_that_has_walked_is_deleted_when_all_of_its_stages_are_stored(
    stored: bool, found: int
) -> None:
    later = {"id": "i1/assess", "key": NEW}
    before = run(stages=(stage(committed=True), {**later, "committed": stored}))
    after = run(stages=(stage(committed=True), {**later, "committed": True}))
    rows = [
        (0.0, "ADDED", RUNS, before),
        (1.0, "ADDED", JOBS, job()),
        (19.0, "MODIFIED", JOBS, job(finished=True)),
        (20.0, "MODIFIED", JOBS, deleted(job(finished=True))),
        (21.0, "MODIFIED", RUNS, after),
    ]
    requests = (
        Request(
            20.0,
            "operator",
            1,
            "DELETE",
            "/namespaces/ns/jobs/job-1",
            {"preconditions": {"uid": "job-1"}},
            200,
            4,
        ),
        Request(21.0, "operator", 1, "PATCH", "/namespaces/ns/runs/uid-1/status", {}, 200, 5),
    )
    made = Commit(10.0, "i1/assess", NEW, "job-1", "", True, {})
    found_history: History = replace(history(*rows, requests=requests), commits=(made,))
    assert len(true_attempts.violations(found_history)) == found


@pytest.mark.parametrize(
    ("jobs", "attempts", "found"),
    [
        ((), 1, 1),
        ((job(),), 1, 0),
        ((job(), job("job-2")), 2, 0),
        ((job(), walking("job-2", OTHER)), 2, 0),
        ((job(),), 2, 1),
    ],
)
def test_a_stage_has_no_more_attempts_than_jobs(
    jobs: tuple[Json, ...], attempts: int, found: int
) -> None:
    rows = [(float(at), "ADDED", JOBS, document) for at, document in enumerate(jobs)]
    rows.append((9.0, "ADDED", RUNS, run(stages=(stage(attempts=attempts),))))
    assert len(true_counts.violations(history(*rows))) == found


@pytest.mark.parametrize(
    ("stage_id", "grouping", "found"),
    [
        ("i1/respond", "PerRole", 0),
        ("i1/assess", "PerRole", 1),
        ("i1/assess", "Joined", 0),
        ("i1/select", "Joined", 1),
        ("i1/select", "Run", 0),
        ("i2/generate/r1", "Joined", 1),
        ("i2/generate/r1", "Run", 0),
        ("i0/evaluate/yardstick", "PerRole", 0),
        ("prepare", "Run", 1),
    ],
)
def test_a_job_is_an_attempt_only_of_the_stages_to_which_it_may_walk(
    stage_id: str, grouping: str, found: int
) -> None:
    counted = {**stage(attempts=1), "id": stage_id}
    rows = [
        (0.0, "ADDED", JOBS, walking("job-1", KEY, grouping=grouping)),
        (9.0, "ADDED", RUNS, run(stages=(counted,))),
    ]
    assert len(true_counts.violations(history(*rows))) == found


@pytest.mark.parametrize(("at", "found"), [(21.0, 0), (24.0, 1)])
def test_no_job_is_created_for_a_run_that_is_gone(at: float, found: int) -> None:
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (20.0, "DELETED", RUNS, run()),
        (at, "ADDED", JOBS, job()),
    ]
    assert len(no_ghosts.violations(history(*rows))) == found


@pytest.mark.parametrize(("at", "found"), [(31.0, 0), (40.0, 1)])
def test_a_run_goes_on_when_the_job_of_a_deleted_peer_is_gone(at: float, found: int) -> None:
    peer, waits = run("uid-2"), run(reason="WaitingForPeer")
    rows = [
        (0.0, "ADDED", RUNS, peer),
        (0.0, "ADDED", RUNS, waits),
        (1.0, "ADDED", JOBS, job(owner="uid-2")),
        (20.0, "DELETED", RUNS, peer),
        (30.0, "DELETED", JOBS, job(owner="uid-2")),
        (at, "MODIFIED", RUNS, run(reason="Queued")),
    ]
    assert len(reacts.violations(history(*rows))) == found


def lease_of(operator: str, at: float, process: int) -> Request:
    body = {"spec": {"holderIdentity": operator}}
    return Request(at, operator, process, "PUT", "/namespaces/ns/leases/lease", body, 200, 1)


@pytest.mark.parametrize(
    ("before", "listed", "found"),
    [("first", ("jobs",), 1), ("first", ("jobs", "selfalignmentruns"), 0), ("", (), 0)],
)
def test_an_operator_lists_after_it_took_the_lease_of_another_one(
    before: str, listed: tuple[str, ...], found: int
) -> None:
    requests = (
        lease_of(before, 1.0, 1),
        lease_of("second", 30.0, 2),
        *(Request(31.0, "second", 2, "GET", f"/apis/{name}", {}, 200, 1) for name in listed),
        Request(32.0, "second", 2, "POST", "/namespaces/ns/jobs", {}, 201, 2),
        Request(33.0, "second", 2, "POST", "/namespaces/ns/jobs", {}, 201, 3),
    )
    assert len(lists_first.violations(history(requests=requests))) == found
