"""Attempts: when pods are inspected, and the attempt of the planner for a Job and its pods."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from isheep.contract.order import Outcome, StageResult
from isheep.kube.config import Timings
from isheep.kube.passes.attempts import (
    AT_ONCE,
    PodObservation,
    attempt_of,
    inspection_due,
    is_over,
    is_working,
    pods_are_known,
)
from isheep.kube.passes.kueue import why_queued
from isheep.kube.pods.pod_endings import Ending
from isheep.planner.types import AttemptState, PodTime, StageRef, Waiting

from ..builders import a_job, at, condition
from ..virtual_time import START

TIMINGS = Timings(first_look_seconds=15, look_seconds=30, poll_seconds=40)
COMPLETE = {"conditions": [condition("Complete")]}
FAILED = {"conditions": [condition("Failed", message="why")]}
WORKING = {"active": 2, "ready": 2, "startTime": at(5)}
STARTING = {"active": 2, "ready": 1, "startTime": at(5)}
KUEUE = {"kueue.x-k8s.io/queue-name": "q"}
PREEMPTED = Waiting("Preempted", "another Job came first", stalled=False)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def observation(seconds: float = 100, **fields: Any) -> PodObservation:
    return PodObservation(at=after(seconds), **fields)


LOST: dict[str, Any] = {"lost_nodes": ("gpu-7",)}
DELETED: dict[str, Any] = {"deletionTimestamp": at(9), "status": COMPLETE}


@pytest.mark.parametrize(
    ("job", "observed", "due"),
    [
        ({}, None, 15),
        ({}, observation(5), 35),
        ({}, observation(100), 130),
        ({"status": STARTING}, None, 15),
        ({"status": STARTING}, observation(15), 45),
        # The pod is newer than the observation, so the observation does not delay the inspection.
        ({"status": STARTING}, observation(-100), 15),
        ({"status": WORKING}, None, 45),
        ({"status": {"active": 1, "ready": 1}}, None, 40),
        ({"status": WORKING}, observation(100), 140),
        ({"status": WORKING}, observation(100, polled=after(120)), 160),
        ({"status": WORKING}, observation(100, polled=after(120), silent=1), 200),
        ({"status": WORKING}, observation(100, polled=after(120), silent=9), 760),
        ({"status": {"failed": 1}}, None, 0),
        ({"status": {**WORKING, "failed": 1}}, observation(100), 0),
        ({"status": {**WORKING, "failed": 1}}, observation(100, failed_pods=1), 140),
        ({"status": {**STARTING, "failed": 2}}, observation(100, failed_pods=1), 0),
        ({"status": COMPLETE}, None, 0),
        ({"status": COMPLETE}, observation(100), 0),
        ({"status": COMPLETE}, observation(100, final=True), None),
        ({"status": FAILED}, None, 0),
        ({"status": FAILED}, observation(100, final=True), None),
        ({"status": WORKING, "deletionTimestamp": at(9)}, None, 69),
        ({"status": WORKING, "deletionTimestamp": at(9)}, observation(80), 110),
        ({"status": WORKING, "deletionTimestamp": at(9)}, observation(80, **LOST), None),
        ({"status": WORKING}, observation(80, **LOST), None),
        ({"status": COMPLETE}, observation(80, **LOST), 0),
        (DELETED, None, 69),
        (DELETED, observation(80, kept=True), None),
        ({"status": WORKING, "steps": ()}, None, None),
        ({"status": COMPLETE, "steps": ()}, None, None),
        ({"spec": {"suspend": True}}, None, 15),
        ({"spec": {"suspend": True}, "labels": KUEUE}, observation(100), 0),
        ({"spec": {"suspend": True}, "labels": KUEUE}, observation(100, queue=PREEMPTED), 130),
        ({"spec": {"suspend": True}, "status": FAILED}, None, 0),
    ],
    ids=[
        "new",
        "new and inspected",
        "no pods yet",
        "starting",
        "starting and inspected",
        "starting, inspected before the pods",
        "working",
        "working, no start time",
        "working and inspected",
        "working and polled",
        "working and silent",
        "working and long silent",
        "a pod failed before the first inspection",
        "a pod failed",
        "a pod failed before the inspection",
        "another pod failed",
        "complete",
        "complete, inspected before",
        "complete and read",
        "failed",
        "failed and read",
        "being deleted",
        "being deleted for long",
        "being deleted on a lost node",
        "on a lost node",
        "complete on a node that came back",
        "complete and being deleted",
        "complete and kept by a finalizer",
        "without steps",
        "without steps and complete",
        "suspended",
        "suspended again",
        "suspended and inspected",
        "suspended and failed",
    ],
)
def test_an_inspection_is_due_at_this_time(
    job: dict[str, Any], observed: PodObservation | None, due: float | None
) -> None:
    found = inspection_due(a_job(**job), observed, TIMINGS)
    assert found == (None if due is None else AT_ONCE if due == 0 else after(due))


@pytest.mark.parametrize(
    ("status", "working"),
    [
        ({}, False),
        ({"active": 1}, False),
        ({"active": 2, "ready": 1}, False),
        ({"active": 2, "ready": 2}, True),
        # A pod can end after it was ready, so ready can exceed active.
        ({"active": 1, "ready": 2}, True),
        ({"active": 0, "ready": 0}, False),
    ],
)
def test_a_job_works_if_all_its_active_pods_are_ready(
    status: dict[str, Any], working: bool
) -> None:
    assert is_working(a_job(status=status)) == working


RESULT = StageResult(outcome=Outcome.COMMITTED)
ENDING = Ending(results=(RESULT,), exit_code=70, pod="p", message="words", disrupted=True)
ACTIVE, TERMINATING = AttemptState.ACTIVE, AttemptState.TERMINATING
SUCCEEDED, FAILURE = AttemptState.SUCCEEDED, AttemptState.FAILED


@pytest.mark.parametrize(
    ("job", "observed", "state"),
    [
        ({}, None, ACTIVE),
        ({"status": WORKING}, observation(), ACTIVE),
        # The results are not read yet, so the attempt is still active.
        ({"status": COMPLETE}, None, ACTIVE),
        ({"status": COMPLETE}, observation(), ACTIVE),
        ({"status": COMPLETE}, observation(final=True), SUCCEEDED),
        ({"status": FAILED}, None, ACTIVE),
        ({"status": FAILED}, observation(), ACTIVE),
        ({"status": FAILED}, observation(final=True), FAILURE),
        ({"deletionTimestamp": at(9)}, None, TERMINATING),
        (DELETED, None, TERMINATING),
        (DELETED, observation(final=True), TERMINATING),
        ({"deletionTimestamp": at(9), "spec": {"suspend": True}}, None, TERMINATING),
        (DELETED, observation(kept=True), AttemptState.LOST),
        ({"spec": {"suspend": True}}, None, ACTIVE),
    ],
    ids=[
        "new",
        "working",
        "complete",
        "complete, inspected before",
        "complete and read",
        "failed",
        "failed, inspected before",
        "failed and read",
        "being deleted",
        "complete and being deleted",
        "read and being deleted",
        "suspended and being deleted",
        "kept by a finalizer",
        "suspended",
    ],
)
def test_the_state_of_an_attempt_follows_its_job_and_the_inspection(
    job: dict[str, Any], observed: PodObservation | None, state: AttemptState
) -> None:
    assert attempt_of(a_job(**job), observed).state is state


def test_an_attempt_has_the_fields_of_its_job_and_of_the_observation() -> None:
    job = a_job(
        labels={"isheep.dev/attempt": "3"},
        steps=(("i1/respond", "a"), ("i1/assess", "b")),
        status=WORKING,
    )
    attempt = attempt_of(job, observation(started=after(7), items_done=3, items_total=9))
    assert (attempt.name, attempt.number) == ("run-respond-abc", 3)
    assert attempt.steps == (StageRef("i1/respond", "a"), StageRef("i1/assess", "b"))
    assert (attempt.created, attempt.started, attempt.finished) == (START, after(7), None)
    assert (attempt.items_done, attempt.items_total) == (3, 9)
    assert attempt_of(job, None).started == after(5)


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ({"status": WORKING}, AttemptState.FAILED),
        ({"status": WORKING, "deletionTimestamp": at(9)}, AttemptState.LOST),
        ({"status": COMPLETE}, AttemptState.ACTIVE),
    ],
)
def test_an_attempt_on_lost_nodes_is_disrupted(job: dict[str, Any], state: AttemptState) -> None:
    attempt = attempt_of(a_job(**job), observation(80, **LOST))
    assert attempt.state is state
    lost = state is not AttemptState.ACTIVE
    assert (attempt.disrupted, attempt.lingers) == (lost, lost)
    assert attempt.lost_nodes == (("gpu-7",) if lost else ())
    assert ("gpu-7" in (attempt.message or "")) is lost


def test_a_failed_attempt_has_the_ending_of_its_pod() -> None:
    attempt = attempt_of(a_job(status=FAILED), observation(final=True, ending=ENDING))
    assert (attempt.results, attempt.exit_code, attempt.pod) == ((RESULT,), 70, "p")
    assert (attempt.message, attempt.disrupted) == ("words", True)
    assert attempt.finished == after(90)


def test_the_attempt_of_a_complete_job_has_exit_code_0() -> None:
    """A pod of the Job failed, and its replacement succeeded."""
    attempt = attempt_of(a_job(status=COMPLETE), observation(final=True, ending=ENDING))
    assert (attempt.exit_code, attempt.results) == (0, (RESULT,))


def test_a_terminating_attempt_has_its_results_if_they_were_read() -> None:
    job = a_job(status=COMPLETE, deletionTimestamp=at(99))
    assert attempt_of(job, observation(final=True, ending=ENDING)).results == (RESULT,)
    assert attempt_of(job, observation()).results == ()


@pytest.mark.parametrize(
    ("status", "ending", "message"),
    [
        (FAILED, Ending(), "why"),
        (FAILED, ENDING, "words"),
        (COMPLETE, Ending(), None),
        (WORKING, Ending(), None),
        ({"conditions": [condition("Failed")]}, Ending(), None),
    ],
    ids=["message of the Job", "message of the pod", "complete", "working", "no message"],
)
def test_the_message_is_that_of_the_pod_or_of_the_job(
    status: dict[str, Any], ending: Ending, message: str | None
) -> None:
    observed = observation(final=is_over(a_job(status=status)), ending=ending)
    assert attempt_of(a_job(status=status), observed).message == message


SECRET = Waiting("SecretNotFound", "no secret", stalled=True)


@pytest.mark.parametrize(
    ("job", "observed", "reason", "stalled"),
    [
        ({}, None, None, None),
        ({"status": STARTING}, observation(waiting=SECRET), "SecretNotFound", True),
        ({}, observation(waiting=SECRET), "SecretNotFound", True),
        # The observation is older than the readiness of the pods, so it no longer applies.
        ({"status": WORKING}, observation(waiting=SECRET), None, None),
        ({"status": COMPLETE}, observation(waiting=SECRET), None, None),
        ({"status": FAILED}, observation(waiting=SECRET), None, None),
        ({"status": FAILED}, observation(waiting=SECRET, final=True), None, None),
        ({"deletionTimestamp": at(9)}, observation(waiting=SECRET), None, None),
        ({"spec": {"suspend": True}, "labels": KUEUE}, None, "Queued", False),
        (
            {"spec": {"suspend": True}, "labels": KUEUE},
            observation(waiting=SECRET),
            "Queued",
            False,
        ),
        ({"spec": {"suspend": False}, "labels": KUEUE}, None, None, None),
        (
            {"spec": {"suspend": True}, "labels": KUEUE},
            observation(queue=PREEMPTED),
            "Preempted",
            False,
        ),
        # The pods run again, and the observation is older.
        ({"status": WORKING, "labels": KUEUE}, observation(queue=PREEMPTED), None, None),
        ({"spec": {"suspend": True}}, None, "Queued", False),
        ({"spec": {"managedBy": "kueue.x-k8s.io/multikueue"}}, None, "JobInOtherCluster", True),
        ({"spec": {"managedBy": "kubernetes.io/job-controller"}}, None, None, None),
        ({"spec": {"parallelism": 0}}, None, "JobSuspended", True),
        ({"spec": {"parallelism": 0}, "status": COMPLETE}, None, None, None),
    ],
    ids=[
        "new",
        "starting",
        "no pods",
        "working",
        "complete",
        "failed",
        "failed and read",
        "being deleted",
        "queued",
        "queued again",
        "admitted",
        "preempted",
        "working again",
        "suspended and not inspected",
        "managed by MultiKueue",
        "managed by the Job controller",
        "parallelism 0",
        "parallelism 0 and complete",
    ],
)
def test_a_waiting_attempt_has_its_reason(
    job: dict[str, Any], observed: PodObservation | None, reason: str | None, stalled: bool | None
) -> None:
    waiting = attempt_of(a_job(**job), observed).waiting
    if reason is None:
        assert waiting is None
    else:
        assert waiting is not None
        assert (waiting.reason, waiting.stalled) == (reason, stalled)
        assert "run-respond-abc" in waiting.message or waiting in (SECRET, PREEMPTED)


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [({"suspend": True}, "spec.suspend"), ({"parallelism": 0}, "spec.parallelism")],
)
def test_the_message_about_a_suspended_job_contains_the_remedy(
    spec: dict[str, Any], remedy: str
) -> None:
    job = a_job(spec=spec)
    queue = why_queued(job, None, after(100)) if job.suspended else None
    waiting = attempt_of(job, observation(queue=queue)).waiting
    assert waiting is not None
    assert remedy in waiting.message
    assert "delete the Job" in waiting.message


def test_the_attempt_of_a_job_without_steps_has_no_steps() -> None:
    assert attempt_of(replace(a_job(), steps=()), None).steps == ()


@pytest.mark.parametrize(
    ("ending", "state", "code"),
    [
        (Ending(results=(RESULT,)), SUCCEEDED, 0),
        (Ending(exit_code=70, pod="p", message="boom"), FAILURE, 70),
    ],
)
def test_a_job_whose_workers_have_ended_beside_other_containers_is_over(
    ending: Ending, state: AttemptState, code: int
) -> None:
    job = a_job(status={"active": 1, "ready": 0})
    seen = observation(final=True, ending=ending, lingers_since=after(70))
    attempt = attempt_of(job, seen)
    assert (attempt.state, attempt.exit_code, attempt.finished) == (state, code, after(70))
    assert attempt.lingers
    assert not attempt_of(a_job(status=COMPLETE), observation(final=True)).lingers


def test_the_attempt_has_the_gpus_and_the_times_of_its_pods() -> None:
    limits = {"nvidia.com/mig-1g.10gb": "2", "cpu": "4"}
    containers = [{"name": "worker", "resources": {"limits": limits}}, {"name": "sandbox"}]
    pod = {"containers": containers, "terminationGracePeriodSeconds": 45}
    template = {"template": {"spec": pod}, "parallelism": 2}
    job = a_job(status=WORKING, spec=template, deletionTimestamp=at(400))
    times = (PodTime("a", after(5), after(320)), PodTime("b", after(5), after(90), ended=True))
    attempt = attempt_of(job, observation(pods=times))
    assert attempt.gpus == {"nvidia.com/mig-1g.10gb": 2}
    assert attempt.pods == (PodTime("a", after(5), after(305)), times[1])
    assert (attempt.deleted_at, attempt.grace_seconds) == (after(400), 45)
    assert not pods_are_known(job, observation(pods=times))
    assert not pods_are_known(job, None)
    assert pods_are_known(a_job(status=WORKING), None), "a Job without GPUs is not charged"


@pytest.mark.parametrize(
    ("status", "shown"), [(WORKING, True), (STARTING, False), (COMPLETE, False)]
)
def test_a_working_attempt_shows_a_silent_store(status: dict[str, Any], shown: bool) -> None:
    waits = observation(waits_for="s3://b does not answer (SlowDown)")
    waiting = attempt_of(a_job(status=status), waits).waiting
    assert (waiting is not None) == shown
    if waiting is not None:
        assert (waiting.reason, waiting.stalled) == ("WaitingForStore", False)
        assert "s3://b does not answer (SlowDown) (check the endpoint" in waiting.message
