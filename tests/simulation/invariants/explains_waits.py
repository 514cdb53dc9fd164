"""The status says why a pod does not run, within a minute (docs/reference/stuck-runs.md).

The cause is that of the pods which should run now: no node, an image, a container, or a node that
does not answer. The Workload has the cause of a Job that a queue holds. Without a queue, somebody
has suspended the Job (docs/how-to/queue-with-kueue.md). Such a reason does not appear without its
cause, and disappears when all pods work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from isheep.contract.reasons import Reason

from ..api_server import JOBS, PODS, RUNS, WORKLOADS, Change, Json
from ..history import History
from ..queue import JOB_UID_LABEL, is_queued
from ..readings import index_of
from .disturbances import Calm, calm_times
from .job_states import JobState, JobStates, ready_reason
from .keeps_waiting import seconds_of
from .lost_jobs import is_over
from .open_requests import is_open

SECONDS = 63.0
"""How long a cause may last before the status has it."""
READY_SECONDS = 15.0
"""How long a status may have a cause after all pods work."""
RECENT_SECONDS = 60.0
"""A reason that appears has a cause that has lasted until this time before, at least."""
LOST_SECONDS = 290.0
"""How long a node is silent before the attempt ends."""
HELD = (Reason.QUEUED, Reason.PREEMPTED, Reason.JOB_SUSPENDED)
BY_CONTAINER = {
    "ImagePullBackOff": Reason.IMAGE_PULL_FAILED,
    "CreateContainerConfigError": Reason.CONTAINER_NOT_STARTED,
}
CAUSES = {*BY_CONTAINER.values(), Reason.UNSCHEDULABLE, Reason.NODE_LOST, *HELD}
WORKS, BOUND = "all pods work", "no kubelet has accepted a pod"
UNSEEN = "no scheduler has looked at a pod"
"""Each new pod is so for some seconds, and then the cause is that it cannot be scheduled."""


@dataclass(slots=True)
class _Cause:
    """Why the pods of a run wait since a time; `job` is the Job that has the pods."""

    reason: str | None
    job: JobState | None
    since: float


def violations(history: History) -> list[str]:
    """Return the causes that a status does not have, or has without a pod that waits."""
    return list(_wrong(history, calm_times(history)))


def _wrong(history: History, calm: Calm) -> Iterator[str]:
    jobs = JobStates()
    runs: dict[str, Json] = {}
    causes: dict[str, _Cause] = {}
    last: dict[tuple[str, str], float] = {}
    preempted: dict[str, bool] = {}
    for change in history.changes:
        uid = change.document["metadata"]["uid"]
        if change.resource == RUNS:
            before = runs.get(uid)
            if uid in causes:
                yield from _unexplained(causes[uid], before, change.at, calm)
            yield from _baseless(before, change, last, causes.get(uid), calm)
            runs[uid] = change.document
            if change.kind == "DELETED":
                del runs[uid]
            if change.kind == "DELETED" or _asks(change.document):
                causes.pop(uid, None)
        elif change.resource in (JOBS, PODS, WORKLOADS):
            if change.resource == WORKLOADS:
                job_uid = str(change.document["metadata"]["labels"][JOB_UID_LABEL])
                preempted[job_uid] = _is_preempted(change.document)
                job = jobs.get(job_uid)
            else:
                job = jobs.note(change)
            run = _run_of(job, change)
            if run not in runs:
                continue
            cause = _cause(jobs, run, preempted)
            known = causes.get(run)
            if known is not None and known.reason is not None:
                said = Reason.UNSCHEDULABLE if known.reason == UNSEEN else known.reason
                last[run, said] = change.at
            if known is None or (known.reason, known.job) != cause:
                if known is not None:
                    yield from _unexplained(known, runs[run], change.at, calm)
                causes[run] = _Cause(*cause, change.at)


def _run_of(job: JobState | None, change: Change) -> str:
    labels = change.document["metadata"].get("labels") or {}
    return job.run if job is not None else labels.get("isheep.dev/run-uid", "")


def _asks(run: Json) -> bool:
    over = (run.get("status") or {}).get("phase") in ("Succeeded", "Failed", "Suspended")
    return over or any(is_open(run).values()) or bool(run["spec"].get("suspend"))


def _cause(
    jobs: JobStates, run: str, preempted: Mapping[str, bool]
) -> tuple[str | None, JobState | None]:
    """Return why the only Job of a run does not work; None without one Job or without a cause.

    The first pod that needs a person counts, and otherwise a node that does not answer.
    """
    found = list(jobs.of(run))
    if len(found) != 1 or not found[0].lives:
        return None, None
    job = found[0]
    if job.suspended:
        uid = job.document["metadata"]["uid"]
        held = Reason.PREEMPTED if preempted.get(uid) else Reason.QUEUED
        return held if is_queued(job.document) else Reason.JOB_SUSPENDED, job
    if job.works:
        return WORKS, job
    live = [pod for pod in job.pods.values() if not is_over(pod)]
    going = [pod for pod in live if "deletionTimestamp" not in pod["metadata"]]
    reasons = [_waits(pod) for pod in sorted(going, key=index_of)]
    if not live or len(going) < len(live):
        return None, None
    if all(_is_silent(pod) for pod in live):
        return Reason.NODE_LOST, job
    if all(_is_bound(pod) for pod in live):
        return BOUND, job
    return next((reason for reason in reasons if reason), None), job


def _is_preempted(workload: Json) -> bool:
    conditions = (workload.get("status") or {}).get("conditions") or ()
    held = {(c["type"], c["status"]) for c in conditions}
    return {("Evicted", "True"), ("QuotaReserved", "False")} <= held


def _waits(pod: Json) -> str | None:
    status = pod["status"]
    for condition in status.get("conditions") or ():
        if (condition["type"], condition["status"]) == ("PodScheduled", "False"):
            return Reason.UNSCHEDULABLE
    for container in status.get("containerStatuses") or ():
        waiting = container["state"].get("waiting")
        if waiting is not None:
            return BY_CONTAINER[waiting["reason"]]
    # The scheduler says nothing about a pod without a node and without a condition.
    return None if pod["spec"].get("nodeName") else UNSEEN


def _is_silent(pod: Json) -> bool:
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions") or ()}
    return conditions.get("Ready") == "False" and conditions.get("ContainersReady") == "True"


def _marked(pod: Json) -> float:
    """Return when the node of a pod was found to be silent."""
    ready = next(c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    return seconds_of(ready["lastTransitionTime"])


def _is_bound(pod: Json) -> bool:
    """Return whether a pod has a node whose kubelet has not accepted it."""
    return bool(pod["spec"].get("nodeName")) and "startTime" not in pod["status"]


def _unexplained(cause: _Cause, run: Json | None, at: float, calm: Calm) -> Iterator[str]:
    """Yield that a run does not say why it waits, or still says it."""
    if run is None or cause.reason is None or cause.job is None:
        return
    said, name = ready_reason(run), run["metadata"]["name"]
    if said == Reason.WAITING_FOR_PEER:
        # Another stage of the run waits, too, and one of the two reasons is shown.
        return
    if cause.reason == BOUND:
        # The node may be slow, so the status may name it or not.
        return
    if cause.reason == WORKS:
        if said in CAUSES and at > calm.after(cause.since, READY_SECONDS):
            yield f"{name} says {said} {at - cause.since:.0f} s after all pods work"
        return
    wanted = Reason.UNSCHEDULABLE if cause.reason == UNSEEN else cause.reason
    if at <= calm.after(cause.since, SECONDS) or said == wanted:
        return
    if cause.reason == UNSEEN and not calm.holds(max(0.0, at - SECONDS), at):
        # An operator that starts gives the scheduler its time again.
        return
    hidden = (Reason.NODE_LOST, Reason.QUEUED, Reason.PREEMPTED, UNSEEN)
    if cause.reason in hidden and _is_hidden(run, cause, at):
        return
    yield f"{name} says {said} after {at - cause.since:.0f} s of {cause.reason}"


def _is_hidden(run: Json, cause: _Cause, at: float) -> bool:
    """Return whether another cause comes first: a person must act, or a pod has failed."""
    stages = (run.get("status") or {}).get("stages") or ()
    stalled = any((stage.get("hold") or {}).get("stalled") for stage in stages)
    pods = cause.job.pods.values() if cause.job is not None else ()
    marks = [_marked(pod) for pod in pods if _is_silent(pod)]
    lost = cause.reason == Reason.NODE_LOST and at - min(marks, default=at) > LOST_SECONDS
    return stalled or any(map(is_over, pods)) or lost


def _baseless(
    before: Json | None,
    change: Change,
    last: dict[tuple[str, str], float],
    now: _Cause | None,
    calm: Calm,
) -> Iterator[str]:
    """Yield that a run begins to name a cause that none of its pods has."""
    reason = ready_reason(change.document)
    if reason not in CAUSES or (before is not None and ready_reason(before) == reason):
        return
    if now is None or now.job is None or now.reason in (reason, BOUND, UNSEEN):
        return
    if reason in HELD and now.reason in HELD:
        # The operator reads the Workload after it has seen that the Job is suspended.
        return
    recent = last.get((change.document["metadata"]["uid"], reason), -RECENT_SECONDS)
    if change.at - recent > RECENT_SECONDS and calm.holds(change.at - SECONDS, change.at):
        yield f"version {change.version} has the reason {reason}, and its pods {now.reason}"
