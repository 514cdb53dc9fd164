"""A pod that fails is named at once, while its Job goes on (docs/reference/stuck-runs.md).

`status.lastFailure` names the pod and its reason a few seconds after its end. Until another pod
works, the run says Retrying. A pod that was disrupted or stopped has not failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from isheep.contract.exit_codes import ExitCode
from isheep.contract.reasons import Reason

from ..api_server import JOBS, PODS, RUNS, Change, Json
from ..history import History
from ..kubelet import KILLED
from ..readings import index_of
from .disturbances import Calm, calm_times
from .job_states import JobState, JobStates, exit_code, is_disrupted, ready_reason
from .open_requests import is_open

SECONDS = 8.0
"""How long an operator that nothing disturbs may take. No new pod starts before 10 seconds."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A pod that has failed at a time, and its Job."""

    pod: Json
    job: JobState
    at: float


def violations(history: History) -> list[str]:
    """Return the pods that a status does not name, and the runs that hide them."""
    return list(_late(history, calm_times(history)))


def _late(history: History, calm: Calm) -> Iterator[str]:
    jobs = JobStates()
    runs: dict[str, Json] = {}
    due: dict[str, _Failure] = {}
    failed: set[str] = set()
    for change in history.changes:
        for job_uid, one in list(due.items()):
            if change.at > one.at + SECONDS:
                del due[job_uid]
                if _is_alone(jobs, one.job):
                    yield from _unnamed(one, runs, calm)
        uid = change.document["metadata"]["uid"]
        if change.resource == RUNS:
            runs[uid] = change.document
            if change.kind == "DELETED":
                del runs[uid]
            if change.kind == "DELETED" or change.version in history.exempt or _asks(change):
                due = {name: one for name, one in due.items() if one.job.run != uid}
        elif change.resource in (JOBS, PODS):
            job = jobs.note(change)
            if job is None or not job.lives or job.suspended:
                due.pop(uid, None)
            elif change.resource == PODS and uid not in failed and _has_failed(change.document):
                failed.add(uid)
                owner = job.document["metadata"]["uid"]
                if _is_alone(jobs, job):
                    due[owner] = _Failure(change.document, job, change.at)


def _is_alone(jobs: JobStates, job: JobState) -> bool:
    """Return whether a Job is the only one of its run: the status names one failure of a run."""
    return all(one is job for one in jobs.of(job.run))


def _asks(change: Change) -> bool:
    document = change.document
    return any(is_open(document).values()) or bool(document["spec"].get("suspend"))


def _has_failed(pod: Json) -> bool:
    over = pod["status"].get("phase") == "Failed" and "deletionTimestamp" not in pod["metadata"]
    return over and not is_disrupted(pod) and exit_code(pod) not in (None, ExitCode.STOPPED)


def _unnamed(one: _Failure, runs: dict[str, Json], calm: Calm) -> Iterator[str]:
    run, job = runs.get(one.job.run), one.job
    if run is None or not job.lives or job.suspended or not calm.holds(one.at, one.at + SECONDS):
        return
    status = run.get("status") or {}
    if status.get("phase") not in ("Pending", "Running", "Stalled"):
        return
    failure = status.get("lastFailure") or {}
    name = one.pod["metadata"]["name"]
    expected = Reason.KILLED if exit_code(one.pod) == KILLED else Reason.RETRYING
    if (failure.get("pod"), failure.get("reason")) != (name, expected):
        yield f"{name} has failed with {expected}, and the status names {failure.get('pod')}"
    alone = len(job.pods) <= len({index_of(pod) for pod in job.pods.values()}) == 1
    if alone and status["phase"] != "Stalled" and ready_reason(run) != Reason.RETRYING:
        yield f"{name} has failed, and its run says {ready_reason(run)}"
