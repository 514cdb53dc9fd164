"""Attempts of the planner, from the record of a Job and the last observation of its pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from isheep.contract.exit_codes import ExitCode
from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.order import StepResult
from isheep.contract.reasons import Reason
from isheep.kube.cache.records import JobRecord
from isheep.kube.config import Timings
from isheep.kube.passes.kueue import is_in_other_queue, not_inspected, why_elsewhere
from isheep.kube.pods.lost_nodes import DELETION_GRACE, lost_message
from isheep.kube.pods.pod_endings import Ending
from isheep.kube.pods.pod_times import in_steps, live
from isheep.planner.types import Attempt, AttemptState, FailedPod, PodTime, Waiting

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
    of polls in a row without an answer. `queue` is why the Job was suspended at that time. `pods`
    are the times of its pods, and `stage_since` is when they began the stage. `waits_for` is the
    store that does not answer the pod that serves the progress. `lost_nodes` are the
    nodes of its pods if none of them answers; a Job whose nodes were lost is not used any more.
    `kept` is True if the Job was deleted, its pods have ended, and a finalizer keeps the Job.
    `unseen` is the UID of a pod at which no component had looked, or of a Job without pods, and the
    time of the first inspection in a row that found this.
    """

    at: datetime
    failed_pods: int = 0
    final: bool = False
    waiting: Waiting | None = None
    queue: Waiting | None = None
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
    pods: tuple[PodTime, ...] | None = None
    stage_since: datetime | None = None
    waits_for: str | None = None
    lost_nodes: tuple[str, ...] = ()
    kept: bool = False
    unseen: tuple[str, datetime] | None = None

    @property
    def may_be_gone(self) -> bool:
        """Whether the Job may be gone, and no watch has reported it yet."""
        no_pod = self.waiting is not None and self.waiting.reason == Reason.PODS_NOT_CREATED
        return self.kept or no_pod


def is_over(job: JobRecord) -> bool:
    """Return whether a Job and all its pods have ended."""
    return job.complete or job.failed


def inspection_due(
    job: JobRecord, observation: PodObservation | None, timings: Timings
) -> datetime | None:
    """Return when to inspect a Job's pods next; None if no inspection is needed."""
    if not job.readable:
        return None
    if job.deleting:
        return _deletion_due(job, observation, timings)
    if is_over(job):
        return None if observation is not None and observation.final else AT_ONCE
    return _look_due(job, observation, timings)


def _look_due(
    job: JobRecord, observation: PodObservation | None, timings: Timings
) -> datetime | None:
    """Return when to inspect the pods of a Job that goes on."""
    if observation is not None and observation.lost_nodes:
        return None
    if job.suspended and observation is not None and observation.queue is None:
        # The pods have just been stopped, and the Workload says why.
        return AT_ONCE
    if job.suspended:
        return _first_due(job, observation, timings)
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
    """Return when to inspect a Job without ready pods; they get some time to start first."""
    first = job.created + timedelta(seconds=timings.first_look_seconds)
    if observation is None:
        return first
    return max(first, observation.at + timedelta(seconds=timings.look_seconds))


def _deletion_due(
    job: JobRecord, observation: PodObservation | None, timings: Timings
) -> datetime | None:
    """Return when to look why a Job still exists: its nodes are lost, or a finalizer keeps it."""
    first = lost_at(job)
    if first is None or (observation is not None and (observation.lost_nodes or observation.kept)):
        return None
    if observation is None:
        return first
    return max(first, observation.at + timedelta(seconds=timings.look_seconds))


def lost_at(job: JobRecord) -> datetime | None:
    """Return when a Job that is being deleted, and still has pods then, has lost their nodes.

    If it has no pods then, a finalizer keeps it.
    """
    if job.deleted_at is None:
        return None
    return job.deleted_at + timedelta(seconds=job.grace_seconds) + DELETION_GRACE


def still_true(job: JobRecord, observation: PodObservation) -> PodObservation:
    """Return an observation without the wait of pods that have become ready since.

    Otherwise, the wait would be shown again when one of these pods ends.
    """
    if observation.waiting is None or not is_working(job):
        return observation
    return replace(observation, waiting=None)


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
    lost = () if is_over(job) and not job.deleting else seen.lost_nodes
    kept = job.deleting and seen.kept
    return Attempt(
        name=job.name,
        steps=job.steps,
        number=job.number,
        state=state,
        created=job.created,
        admitted=job.started,
        started=seen.started or job.started,
        finished=job.finished or (seen.lingers_since if seen.final else None),
        results=ending.results,
        exit_code=_exit_code(state, ending),
        disrupted=ending.disrupted or bool(lost) or kept,
        pod=ending.pod,
        message=_lost_message(job, lost, kept=kept) or ending.message or _job_message(job),
        waiting=_waiting(job, seen) if state is AttemptState.ACTIVE else None,
        failed_pod=_failed_pod(job, seen) if state is AttemptState.ACTIVE else None,
        stage=seen.stage,
        items_done=seen.items_done,
        items_total=seen.items_total,
        walk=job.walk,
        committed=seen.committed,
        lingers=(seen.final or bool(lost)) and not is_over(job),
        lost_nodes=lost,
        gpus=job.gpus,
        pods=in_steps(seen.pods, seen.stage_since),
        deleted_at=job.deleted_at,
        grace_seconds=job.grace_seconds,
    )


def gone_attempt(
    job: JobRecord, observation: PodObservation | None, now: datetime
) -> Attempt | None:
    """Return the attempt of a Job that somebody has removed at once; its pods are stopped now.

    Without it, the GPU time since the last status would be lost. None if the Job held no GPUs.
    """
    if not job.gpus or observation is None or not observation.pods:
        return None
    at, grace = (job.finished or now, 0) if is_over(job) else (now, job.grace_seconds)
    removed = replace(job, deleting=True, deleted_at=at, grace_seconds=grace)
    return attempt_of(removed, replace(observation, lost_nodes=(), kept=False))


def pods_are_known(job: JobRecord, observation: PodObservation | None) -> bool:
    """Return whether the times of all pods that hold GPUs are known."""
    known = 0 if observation is None else live(observation.pods)
    return not job.gpus or known == job.active


def why_useless(
    job: JobRecord,
    observations: Mapping[str, PodObservation],
    kueue_labels: Mapping[str, str],
) -> str | None:
    """Return why a Job that cannot get pods as it is must be deleted, or None.

    The Job controller keeps the last pod until it has created a replacement, and a namespace that
    is being deleted stays until it contains no pod. So without the deletion both wait for each
    other. A Job that avoids lost nodes may have no other node, and its pods cannot be changed when
    one of these nodes answers again.

    Args:
        job: A Job of a run.
        observations: The last observation of the pods of each Job of the run, by the Job's UID.
        kueue_labels: The labels of the run for Kueue.
    """
    if job.deleting:
        return None
    seen = observations.get(job.uid)
    waiting = seen.waiting if seen is not None else None
    if waiting is not None and waiting.reason == Reason.NAMESPACE_TERMINATING:
        return "its namespace is being deleted"
    if job.readable and is_in_other_queue(job, kueue_labels):
        return "the labels of its run for Kueue have changed"
    if waiting is not None and waiting.reason == Reason.UNSCHEDULABLE:
        lost = {node for one in observations.values() for node in one.lost_nodes}
        if not lost.issuperset(job.avoided_nodes):
            return "a node that it avoids answers again"
    return None


def _state(job: JobRecord, observation: PodObservation) -> AttemptState:
    if job.deleting:
        lost = observation.lost_nodes or observation.kept
        return AttemptState.LOST if lost else AttemptState.TERMINATING
    if not observation.final and observation.lost_nodes and not is_over(job):
        return AttemptState.FAILED
    if not observation.final:
        # A Job that has just ended stays active until its results are read.
        return AttemptState.ACTIVE
    failed = job.failed or (not job.complete and observation.ending.pod is not None)
    return AttemptState.FAILED if failed else AttemptState.SUCCEEDED


def _lost_message(job: JobRecord, nodes: Sequence[str], *, kept: bool) -> str | None:
    if nodes:
        return lost_message(nodes)
    text = (
        f"the Job {job.name} was deleted and its pods have ended, but a finalizer keeps it: see "
        "its metadata.finalizers; the next attempt starts"
    )
    return text if kept else None


def _job_message(job: JobRecord) -> str | None:
    return job.message or None if job.failed else None


def _exit_code(state: AttemptState, ending: Ending) -> int | None:
    if state is AttemptState.SUCCEEDED:
        return int(ExitCode.DONE)
    return ending.exit_code


def _failed_pod(job: JobRecord, observation: PodObservation) -> FailedPod | None:
    failed = observation.failed_pod
    return None if failed is None else replace(failed, replaced=is_working(job))


def _waiting(job: JobRecord, observation: PodObservation) -> Waiting | None:
    if not is_over(job) and (elsewhere := why_elsewhere(job)) is not None:
        return elsewhere
    if job.suspended:
        return observation.queue or not_inspected(job)
    if job.parallelism == 0 and not is_over(job):
        message = (
            f"somebody set spec.parallelism of the Job {job.name} to 0: set it to "
            "spec.completions, or delete the Job"
        )
        return Waiting(Reason.JOB_SUSPENDED, message, stalled=True)
    if is_over(job):
        return None
    if is_working(job) and observation.waits_for is not None:
        return _waits_for_store(observation.waits_for)
    return None if is_working(job) else observation.waiting


def _waits_for_store(text: str) -> Waiting:
    remedy = EXPLANATIONS[Reason.WAITING_FOR_STORE].remedy
    message = f"the worker tries again for five minutes: {text} ({remedy})"
    return Waiting(Reason.WAITING_FOR_STORE, message, stalled=False)
