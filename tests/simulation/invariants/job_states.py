"""The Jobs of all runs with their pods, as far as the changes of a history have gone.

Several invariants compare a status with what the pods of a run do at that time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, PODS, Change, Json
from ..job_controller import is_finished
from .true_failure import UID_LABEL
from .true_jobs import ATTEMPT_LABEL


@dataclass(slots=True)
class JobState:
    """A Job with its run, its first stage, the number of its attempt, its pods and its end."""

    document: Json
    run: str
    first: tuple[str, str]
    number: int
    created: float
    pods: dict[str, Json] = field(default_factory=dict)
    ended: float | None = None

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def walks(self) -> bool:
        """Whether the Job goes on to other stages after its first one."""
        return bool((self.document["metadata"].get("annotations") or {}).get("isheep.dev/walk"))

    @property
    def deleting(self) -> bool:
        return "deletionTimestamp" in self.document["metadata"]

    @property
    def suspended(self) -> bool:
        return bool(self.document["spec"].get("suspend"))

    @property
    def lives(self) -> bool:
        """Whether the Job may have pods that work."""
        return self.ended is None and not self.deleting

    @property
    def works(self) -> bool:
        """Whether all active pods are ready."""
        status = self.document.get("status") or {}
        return 0 < (status.get("active") or 0) <= (status.get("ready") or 0)


class JobStates:
    """The Jobs by UID."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobState] = {}

    def note(self, change: Change) -> JobState | None:
        """Note a change of a Job or a pod; return the Job, None if it is not known any more."""
        if change.resource == JOBS:
            return self._note_job(change)
        owners = change.document["metadata"]["ownerReferences"]
        job = self._jobs.get(owners[0]["uid"]) if owners and change.resource == PODS else None
        if job is not None:
            uid = change.document["metadata"]["uid"]
            job.pods[uid] = change.document
            if change.kind == "DELETED":
                del job.pods[uid]
        return job

    def _note_job(self, change: Change) -> JobState | None:
        uid = change.document["metadata"]["uid"]
        if change.kind == "DELETED":
            self._jobs.pop(uid, None)
            return None
        if change.kind == "ADDED":
            labels = change.document["metadata"]["labels"]
            first, number = steps_of(change.document)[0], int(labels[ATTEMPT_LABEL])
            run = labels[UID_LABEL]
            self._jobs[uid] = JobState(change.document, run, first, number, change.at)
        job = self._jobs[uid]
        job.document = change.document
        if job.ended is None and is_finished(change.document):
            job.ended = change.at
        return job

    def get(self, uid: str) -> JobState | None:
        """Return a Job, or None if it does not exist."""
        return self._jobs.get(uid)

    def all(self) -> Iterator[JobState]:
        """Yield all Jobs."""
        return iter(self._jobs.values())

    def of(self, run: str) -> Iterator[JobState]:
        """Yield the Jobs of a run."""
        return (job for job in self._jobs.values() if job.run == run)


def exit_code(pod: Json) -> int | None:
    """Return the exit code of the worker of a pod; None if it has none."""
    for container in pod["status"].get("containerStatuses") or ():
        ended = container["state"].get("terminated")
        return None if ended is None else int(ended["exitCode"])
    return None


def is_disrupted(pod: Json) -> bool:
    """Return whether the cluster has ended a pod."""
    conditions = pod["status"].get("conditions") or ()
    return any(c["type"] == "DisruptionTarget" for c in conditions)


def prepares(job: Json) -> bool:
    """Return whether a Job is one of prepare."""
    return [step for step, _ in steps_of(job)] == ["prepare"]


def ready_reason(run: Json) -> str | None:
    """Return the reason of the condition Ready of a run."""
    conditions = (run.get("status") or {}).get("conditions") or ()
    return next((str(c["reason"]) for c in conditions if c["type"] == "Ready"), None)
