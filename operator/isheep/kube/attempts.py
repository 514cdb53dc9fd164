"""Attempts of the planner, from the record of a Job and the last observation of its pods."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import StepResult
from isheep.contract.reasons import Reason
from isheep.kube.config import Timings
from isheep.kube.pod_endings import Ending
from isheep.kube.records import JobRecord
from isheep.planner.types import Attempt, AttemptState, FailedPod, Waiting

NO_ENDING = Ending()
AT_ONCE = datetime.min.replace(tzinfo=UTC)
"""A time that is over on every clock; the times of a Job can be ahead of a clock that is slow."""
MAX_DOUBLINGS = 4
"""The time between polls of a pod that does not answer is doubled this many times at most."""


@dataclass(frozen=True, slots=True)
class PodObservation:
    """The state of a Job's pods at a time, and how many of its pods had failed then.

    `final` is True if the Job had ended, or if all its workers had ended at `lingers_since` and
    only other containers of their pods went on. `failed_pod` is the last pod that failed before.
    `address` is the pod that serves the progress of the stage `stage`; `items_done` and
    `items_total` are computed from its answers, and `items_first` is the first answer about that
    stage. `committed` has the stages that the pod has reported as committed. `silent` is the number
    of polls in a row without an answer.
    """

    at: datetime
    failed_pods: int = 0
    final: bool = False
    waiting: Waiting | None = None
    ending: Ending = NO_ENDING
    failed_pod: FailedPod | None = None
    lingers_since: datetime | None = None
    started: datetime | None = None
    address: str | None = None
    polled: datetime | None = None
    silent: int = 0
    stage: str | None = None
    committed: tuple[StepResult, ...] = ()
    items_first: int | None = None
    items_done: int | None = None
    items_total: int | None = None


def is_over(job: JobRecord) -> bool:
    """Return whether a Job and all its pods have ended."""
    return job.complete or job.failed


def inspection_due(
    job: JobRecord, observation: PodObservation | None, timings: Timings
) -> datetime | None:
    """Return when to inspect a Job's pods next; None if no inspection is needed."""
    if job.deleting or not job.readable or (job.suspended and not is_over(job)):
        return None
    if is_over(job):
        return None if observation is not None and observation.final else AT_ONCE
    if job.failed_pods and (observation is None or observation.failed_pods != job.failed_pods):
        # The pod that failed knows why, and the Job controller waits before it replaces the pod.
        return AT_ONCE
    return (
        _poll_due(job, observation, timings)
        if is_working(job)
        else _first_due(job, observation, timings)
    )


def is_working(job: JobRecord) -> bool:
    """Return whether all active pods of a Job are ready."""
    return job.active > 0 and job.ready >= job.active


def _first_due(job: JobRecord, observation: PodObservation | None, timings: Timings) -> datetime:
    """Return when to inspect pods that are not ready; they get some time to start first."""
    first = job.created + timedelta(seconds=timings.first_look_seconds)
    if observation is None:
        return first
    return max(first, observation.at + timedelta(seconds=timings.look_seconds))


def _poll_due(job: JobRecord, observation: PodObservation | None, timings: Timings) -> datetime:
    """Return when to read a working pod's progress; the first inspection finds its address."""
    if observation is None:
        return (job.started or job.created) + timedelta(seconds=timings.poll_seconds)
    doublings = min(observation.silent, MAX_DOUBLINGS)
    since = observation.polled or observation.at
    return since + timedelta(seconds=timings.poll_seconds * 2**doublings)


def attempt_of(job: JobRecord, observation: PodObservation | None) -> Attempt:
    """Return a Job as an attempt of the planner."""
    seen = observation or PodObservation(at=job.created)
    state = _state(job, seen)
    ending = seen.ending if seen.final else replace(NO_ENDING, results=seen.ending.results)
    return Attempt(
        name=job.name,
        steps=job.steps,
        number=job.number,
        state=state,
        created=job.created,
        started=seen.started or job.started,
        finished=job.finished or (seen.lingers_since if seen.final else None),
        results=ending.results,
        exit_code=_exit_code(state, ending),
        disrupted=ending.disrupted,
        pod=ending.pod,
        message=ending.message or (job.message or None if job.failed else None),
        waiting=_waiting(job, seen) if state is AttemptState.ACTIVE else None,
        failed_pod=_failed_pod(job, seen) if state is AttemptState.ACTIVE else None,
        stage=seen.stage,
        items_done=seen.items_done,
        items_total=seen.items_total,
        walk=job.walk,
        committed=seen.committed,
        lingers=seen.final and not is_over(job),
    )


def _state(job: JobRecord, observation: PodObservation) -> AttemptState:
    if job.deleting:
        return AttemptState.TERMINATING
    if not observation.final:
        # A Job that has just ended stays active until its results are read.
        return AttemptState.ACTIVE
    failed = job.failed or (not job.complete and observation.ending.pod is not None)
    return AttemptState.FAILED if failed else AttemptState.SUCCEEDED


def _exit_code(state: AttemptState, ending: Ending) -> int | None:
    if state is AttemptState.SUCCEEDED:
        return int(ExitCode.DONE)
    return ending.exit_code


def _failed_pod(job: JobRecord, observation: PodObservation) -> FailedPod | None:
    failed = observation.failed_pod
    return None if failed is None else replace(failed, replaced=is_working(job))


def _waiting(job: JobRecord, observation: PodObservation) -> Waiting | None:
    if job.suspended and job.queued:
        return Waiting(
            Reason.QUEUED, f"the Job {job.name} waits for Kueue to admit it", stalled=False
        )
    if job.suspended:
        message = (
            f"somebody set spec.suspend of the Job {job.name}: unset it, or delete the Job. "
            "To suspend a run, set spec.suspend of the run"
        )
        return Waiting(Reason.JOB_SUSPENDED, message, stalled=True)
    if job.parallelism == 0 and not is_over(job):
        message = (
            f"somebody set spec.parallelism of the Job {job.name} to 0: set it to "
            "spec.completions, or delete the Job"
        )
        return Waiting(Reason.JOB_SUSPENDED, message, stalled=True)
    return None if is_working(job) or is_over(job) else observation.waiting
