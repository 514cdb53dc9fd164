"""The invariants about what a status says of pods, waits, peers and failures: each one can fail."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from .api_server import JOBS, PODS, RUNS, Json
from .connection import Request
from .history import Final, History
from .invariants import (
    explains_waits,
    follows_exit_codes,
    forgets,
    gpu_sums,
    names_failures,
    no_stale_work,
    reads_progress,
    shows_waits,
    stays_over,
    stops_for_a_cause,
    true_phases,
    true_results,
    waits_for_makers,
)
from .polls import Poll
from .store import Commit
from .test_invariants import KEY, history, job, request, run, stage, time

STEP = ("i1/generate/r1", KEY)


def job_with(*, active: int = 1, ready: int = 0, failed: bool = False, **fields: Any) -> Json:
    """Return the Job `job-1` with counts; with `failed`, it has failed at 20 seconds."""
    document = job(**fields)
    status = {"active": active, "ready": ready}
    if failed:
        ends = {"type": "Failed", "status": "True", "reason": "x", "lastTransitionTime": time(20)}
        status["conditions"] = [ends]  # type: ignore[assignment]
    return {**document, "status": status}


def pod(phase: str = "Running", name: str = "pod-1", **status: Any) -> Json:
    annotations = {"batch.kubernetes.io/job-completion-index": "0"}
    metadata = {"name": name, "uid": name, "labels": {}, "annotations": annotations}
    owners = [{"uid": "job-1"}]
    return {
        "metadata": {**metadata, "ownerReferences": owners},
        "spec": {},
        "status": {"phase": phase, "startTime": time(0), **status},
    }


def ended(code: int, message: str = "") -> Json:
    terminated = {"exitCode": code, "message": message, "finishedAt": time(19)}
    return pod("Failed", containerStatuses=[{"state": {"terminated": terminated}}])


def waits(reason: str) -> Json:
    waiting = {"waiting": {"reason": reason, "message": "why"}}
    return pod("Pending", containerStatuses=[{"name": "worker", "state": waiting}])


def with_status(document: Json, **fields: Any) -> Json:
    return {**document, "status": {**document["status"], **fields}}


def failure(reason: str, named: str | None = "pod-1") -> Json:
    return {"stage": STEP[0], "pod": named, "reason": reason, "message": "why"}


def hold(reason: str, until: float, *, stalled: bool = False) -> Json:
    return {"reason": reason, "message": "why", "stalled": stalled, "until": time(until)}


RETRIED = stage(attempts=1, failures=1, hold=hold("Retrying", 30))
COUNTED: dict[str, tuple[int, Json, Json, int]] = {
    # The exit code, the stage, the failure in the status, and the number of violations.
    "a failure": (1, RETRIED, failure("Retrying"), 0),
    "another pod": (1, RETRIED, failure("Retrying", "pod-9"), 1),
    "no failure": (1, stage(attempts=1, hold=hold("Retrying", 30)), failure("Retrying"), 1),
    "a wait that is too long": (
        1,
        stage(attempts=1, failures=1, hold=hold("Retrying", 180)),
        failure("Retrying"),
        1,
    ),
    "a stop that counts": (143, RETRIED, failure("Retrying"), 1),
    "a stop": (143, stage(attempts=1, hold=hold("Disrupted", 30)), failure("Disrupted"), 0),
    "a store": (
        69,
        stage(attempts=1, hold=hold("StoreUnreachable", 80, stalled=True)),
        failure("StoreUnreachable"),
        0,
    ),
    "a store without a stall": (
        69,
        stage(attempts=1, hold=hold("StoreUnreachable", 80)),
        failure("StoreUnreachable"),
        1,
    ),
    "memory": (80, stage(attempts=1, memoryReduction=1, hold=hold("Retrying", 20)), {}, 1),
    "a defect that is retried": (70, RETRIED, failure("Defect"), 1),
}


@pytest.mark.parametrize("name", COUNTED)
def test_the_exit_code_decides(name: str) -> None:
    code, after, shown, found = COUNTED[name]
    rows = [
        (0.0, "ADDED", RUNS, run(stages=(stage(),))),
        (1.0, "ADDED", JOBS, job_with()),
        (2.0, "ADDED", PODS, pod()),
        (19.0, "MODIFIED", PODS, ended(code)),
        (20.0, "MODIFIED", JOBS, job_with(failed=True)),
        (20.5, "MODIFIED", RUNS, with_status(run(stages=(after,)), lastFailure=shown)),
    ]
    assert len(follows_exit_codes.violations(history(*rows))) == found


@pytest.mark.parametrize(
    ("reason", "shown", "code", "found"),
    [
        ("Retrying", failure("Retrying"), 1, 0),
        ("Retrying", failure("Killed"), 137, 0),
        ("Retrying", failure("Retrying"), 137, 1),
        ("Running", failure("Retrying"), 1, 1),
        ("Retrying", {}, 1, 1),
        ("Running", {}, 143, 0),
    ],
)
def test_a_pod_that_fails_is_named(reason: str, shown: Json, code: int, found: int) -> None:
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", JOBS, job_with()),
        (2.0, "ADDED", PODS, pod()),
        (19.0, "MODIFIED", PODS, ended(code)),
        (20.0, "MODIFIED", RUNS, with_status(run(reason=reason), lastFailure=shown)),
        (40.0, "MODIFIED", JOBS, job_with(active=2)),
    ]
    assert len(names_failures.violations(history(*rows))) == found


@pytest.mark.parametrize(
    ("reason", "phase", "cause", "found"),
    [
        ("ImagePullFailed", "Stalled", "ImagePullBackOff", 0),
        ("ContainerNotStarted", "Stalled", "ImagePullBackOff", 1),
        ("Running", "Running", "CreateContainerConfigError", 1),
    ],
)
def test_a_run_says_why_its_pod_waits(reason: str, phase: str, cause: str, found: int) -> None:
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", JOBS, job_with()),
        (2.0, "ADDED", PODS, waits(cause)),
        (30.0, "MODIFIED", RUNS, run(phase=phase, reason=reason)),
        (90.0, "MODIFIED", PODS, pod()),
    ]
    assert len(explains_waits.violations(history(*rows))) == found


def test_no_cause_appears_without_a_pod_that_waits() -> None:
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", JOBS, job_with()),
        (2.0, "ADDED", PODS, pod()),
        (70.0, "MODIFIED", RUNS, run(phase="Stalled", reason="ImagePullFailed")),
    ]
    assert len(explains_waits.violations(history(*rows))) == 1


def test_a_cause_disappears_when_the_pods_work() -> None:
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", JOBS, job_with()),
        (2.0, "ADDED", PODS, waits("ImagePullBackOff")),
        (30.0, "MODIFIED", RUNS, run(phase="Stalled", reason="ImagePullFailed")),
        (40.0, "MODIFIED", PODS, pod()),
        (41.0, "MODIFIED", JOBS, job_with(ready=1)),
        (90.0, "MODIFIED", RUNS, run()),
    ]
    assert len(explains_waits.violations(history(*rows))) == 1


def test_what_is_left_in_memory_is_a_violation() -> None:
    assert forgets.violations(replace(history(), kept=("a record",))) == ["a record"]


WALK = {"isheep.dev/walk": "{}"}


def polled(*polls: Poll, status: Json, until: float) -> History:
    document = job_with(ready=1)
    document["metadata"]["annotations"].update(WALK)
    rows = [
        (0.0, "ADDED", RUNS, with_status(run(), **status)),
        (1.0, "ADDED", JOBS, document),
        (until, "MODIFIED", JOBS, {**document, "spec": {"suspend": True}}),
    ]
    return replace(history(*rows), polls=polls)


def poll(
    at: float, *committed: tuple[str, str], answered: bool = True, at_work: str | None = None
) -> Poll:
    return Poll(at, "job-1", "job-1", answered, at_work, committed)


PREPARED: Json = {"prepared": {}}
SHOWN = {"stages": [stage(committed=True)], "stage": {"id": STEP[0]}, "resolved": PREPARED}


@pytest.mark.parametrize(
    ("polls", "status", "until", "found"),
    [
        ((poll(30),), SHOWN, 60.0, 0),
        ((), SHOWN, 60.0, 1),
        ((poll(30), poll(40)), SHOWN, 60.0, 1),
        ((poll(30, answered=False),), SHOWN, 95.0, 0),
        ((poll(30), poll(60, STEP)), SHOWN, 70.0, 0),
        ((poll(30), poll(60, STEP)), {**SHOWN, "stages": [stage()]}, 70.0, 1),
        ((poll(30), poll(60, at_work="i1/respond")), SHOWN, 70.0, 1),
    ],
)
def test_progress_is_read_and_shown(
    polls: tuple[Poll, ...], status: Json, until: float, found: int
) -> None:
    made = polled(*polls, status=status, until=until)
    assert len(reads_progress.violations(made)) == found


@pytest.mark.parametrize(
    ("reason", "phase", "found"),
    [("Retrying", "Running", 0), ("Running", "Running", 1), ("Retrying", "Stalled", 1)],
)
def test_a_run_shows_the_wait_of_its_stage(reason: str, phase: str, found: int) -> None:
    waiting = stage(hold=hold("Retrying", 100))
    rows = [(0.0, "ADDED", RUNS, run(phase=phase, reason=reason, stages=(waiting,)))]
    assert len(shows_waits.violations(history(*rows))) == found


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (run(phase="Failed", reason="Defect"), run(), 1),
        (run(phase="Failed", reason="Defect"), run(retry="1"), 0),
        (run(), run(phase="Failed", reason="Defect"), 0),
    ],
)
def test_a_run_that_has_ended_stays_so(before: Json, after: Json, found: int) -> None:
    rows = [(0.0, "ADDED", RUNS, before), (9.0, "MODIFIED", RUNS, after)]
    assert len(stays_over.violations(history(*rows))) == found


@pytest.mark.parametrize(
    ("phase", "after", "found"),
    [("Running", RETRIED, 0), ("Running", stage(), 1), ("Stalled", stage(), 0)],
)
def test_a_retry_of_a_run_that_goes_on_forgets_nothing(phase: str, after: Json, found: int) -> None:
    before = run(phase=phase, stages=(RETRIED,), retry="1")
    noted = with_status(run(stages=(after,), retry="1"), lastHandledRetry="1")
    rows = [(0.0, "ADDED", RUNS, before), (9.0, "MODIFIED", RUNS, noted)]
    assert len(stays_over.violations(history(*rows))) == found


@pytest.mark.parametrize(("after", "found"), [(RETRIED, 1), (stage(), 0)])
def test_an_edit_begins_the_counts_again(after: Json, found: int) -> None:
    edited = with_status(run(stages=(after,)), observedGeneration=2)
    rows = [(0.0, "ADDED", RUNS, run(stages=(RETRIED,))), (9.0, "MODIFIED", RUNS, edited)]
    assert len(stays_over.violations(history(*rows))) == found


@pytest.mark.parametrize(
    ("asked", "phase", "found"), [(None, "Running", 1), ("1", "Running", 0), (None, "Failed", 0)]
)
def test_a_job_at_work_is_stopped_for_a_cause(asked: str | None, phase: str, found: int) -> None:
    going = job_with()
    stopped = {**going, "metadata": {**going["metadata"], "deletionTimestamp": time(10)}}
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (20.0, "ADDED", JOBS, going),
        (39.0, "MODIFIED", RUNS, run(retry=asked)),
        (40.0, "MODIFIED", JOBS, stopped),
        (41.0, "MODIFIED", RUNS, run(retry=asked, phase=phase, reason="Defect")),
        (60.0, "MODIFIED", RUNS, run(retry=asked, phase=phase, reason="Defect")),
    ]
    requests: tuple[Request, ...] = (request(40.0, "DELETE", "/namespaces/ns/jobs/job-1", 4),)
    assert len(stops_for_a_cause.violations(history(*rows, requests=requests))) == found


@pytest.mark.parametrize(
    ("phase", "reason", "at", "found"),
    [
        ("Running", "Retrying", 9.0, 0),
        ("Running", "Unschedulable", 9.0, 1),
        ("Stalled", "Unschedulable", 9.0, 0),
        ("Running", "Retrying", 900.0, 1),
    ],
)
def test_a_phase_belongs_to_its_reason(phase: str, reason: str, at: float, found: int) -> None:
    document = run(phase=phase, reason=reason)
    document["status"]["conditions"][0]["lastTransitionTime"] = time(9)
    assert len(true_phases.violations(history((at, "ADDED", RUNS, document)))) == found


@pytest.mark.parametrize(("committed", "found"), [(True, 1), (False, 0)])
def test_a_run_waits_for_a_peer_that_makes_its_stage(committed: bool, found: int) -> None:
    waiting = run(reason="WaitingForPeer")
    text = f"{STEP[0]}: the run uid-0 executes this stage; x"
    waiting["status"]["conditions"][0]["message"] = text
    trained = {**stage(committed=committed), "id": "i1/train"}
    peer = run("uid-0", stages=(stage(committed=True), trained))
    rows = [
        (0.0, "ADDED", RUNS, peer),
        (1.0, "ADDED", RUNS, waiting),
        (60.0, "MODIFIED", RUNS, with_status(waiting, iteration=1)),
    ]
    assert len(waits_for_makers.violations(history(*rows))) == found


@pytest.mark.parametrize(("resolved", "found"), [({"prepared": {}}, 1), ({}, 0)])
def test_a_result_counts_when_prepare_has_committed(resolved: Json, found: int) -> None:
    text = json.dumps({"steps": [{"id": STEP[0], "key": KEY}]})
    rows = [
        (0.0, "ADDED", RUNS, run(stages=(stage(),))),
        (1.0, "ADDED", JOBS, job_with()),
        (2.0, "ADDED", PODS, ended(0, text)),
        (20.0, "MODIFIED", JOBS, job_with(failed=True)),
        (60.0, "MODIFIED", RUNS, with_status(run(stages=(stage(),)), resolved=resolved)),
    ]
    assert len(true_results.violations(history(*rows))) == found


@pytest.mark.parametrize(
    ("total", "stages", "found"), [(30.0, 30.0, 0), (30.0, 10.0, 1), (55.0, 55.0, 1)]
)
def test_gpu_time_is_that_of_the_pods_and_its_parts_have_its_sum(
    total: float, stages: float, found: int
) -> None:
    gpu = {
        "seconds": {"nvidia.com/gpu": total},
        "iterations": [{"iteration": 1, "seconds": {"nvidia.com/gpu": total}}],
        "cost": total / 1000,
    }
    charged = with_status(run(stages=(stage(gpuSeconds=stages),)), gpu=gpu)
    rows = [
        (0.0, "ADDED", RUNS, run()),
        (1.0, "ADDED", PODS, with_gpu("Running")),
        (31.0, "MODIFIED", PODS, with_gpu("Succeeded")),
        (32.0, "MODIFIED", RUNS, charged),
    ]
    made = replace(history(*rows), final=(Final(charged, []),))
    assert len(gpu_sums.violations(made)) == found


@pytest.mark.parametrize(("ended", "found"), [(True, 0), (False, 1)])
def test_each_attempt_of_a_run_that_has_succeeded_is_charged(ended: bool, found: int) -> None:
    one = {
        "name": "job-1",
        "created": time(0),
        "devices": {"nvidia.com/gpu": 1},
        "live": 1,
        "ended": ended,
    }
    document = with_status(run(phase="Succeeded", reason="Succeeded"), gpu={"attempts": [one]})
    assert len(gpu_sums.violations(history((0.0, "ADDED", RUNS, document)))) == found


def with_gpu(phase: str) -> Json:
    """Return a pod of the run with a GPU."""
    found = pod(phase)
    found["spec"] = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
    found["metadata"]["labels"] = {"isheep.dev/run-uid": "uid-1"}
    return found


@pytest.mark.parametrize(("at", "found"), [(1.2, 0), (9.0, 1)])
def test_a_pod_that_begins_just_before_its_stop_need_not_be_charged(at: float, found: int) -> None:
    stopping = job()
    stopping["metadata"]["deletionTimestamp"] = time(at)
    rows = [
        (0.5, "ADDED", JOBS, job()),
        (1.0, "ADDED", PODS, with_gpu("Running")),
        (at, "MODIFIED", JOBS, stopping),
        (31.0, "MODIFIED", PODS, with_gpu("Succeeded")),
    ]
    requests = (request(at, "DELETE", "/namespaces/ns/jobs/job-1", 3),)
    made = replace(history(*rows, requests=requests), final=(Final(run(), []),))
    assert len(gpu_sums.violations(made)) == found


@pytest.mark.parametrize(
    ("key", "at", "found"), [("old", 300.0, 1), ("old", 60.0, 0), (KEY, 300.0, 0)]
)
def test_no_job_makes_stages_of_an_old_spec(key: str, at: float, found: int) -> None:
    ended_run = run(phase="Succeeded", reason="Succeeded", stages=(stage(committed=True),))
    ended_run["status"]["resolved"] = PREPARED
    rows = [(0.0, "ADDED", RUNS, ended_run), (1.0, "ADDED", JOBS, job_with())]
    commit = Commit(at, STEP[0], key, "job-1", "", first=True, statistics={})
    made = replace(history(*rows), commits=(commit,), final=(Final(ended_run, []),))
    assert len(no_stale_work.violations(made)) == found
