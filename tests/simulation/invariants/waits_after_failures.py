"""After an attempt that has failed, the next one begins ten seconds later at least.

docs/architecture.md has the waits: each of them is longer, except after exhausted device memory.
An attempt whose end no status counts would be repeated at once, and for ever.
"""

from __future__ import annotations

from isheep.contract.exit_codes import ExitCode

from ..api_server import JOBS, PODS, RUNS
from ..history import History
from ..specs import is_measured
from .disturbances import calm_times
from .job_states import JobState, JobStates, exit_code

MEMORY = int(ExitCode.DEVICE_MEMORY)
SECONDS = 8.0
"""The shortest wait, less the error of times in whole seconds."""


def violations(history: History) -> list[str]:
    """Return the attempts that begin too soon after another one of the run has failed."""
    if history.exempt or history.silences:
        return []
    calm = calm_times(history)
    jobs = JobStates()
    failed: dict[str, tuple[float, str]] = {}
    asked: dict[str, object] = {}
    measured: set[str] = set()
    found = []
    for change in history.changes:
        document, metadata = change.document, change.document["metadata"]
        uid = metadata["uid"]
        if change.resource == RUNS:
            asks = metadata["generation"], metadata.get("annotations")
            if asked.get(uid) != asks:
                failed.pop(uid, None)
            if is_measured(document["spec"]):
                measured.add(uid)
            asked[uid] = asks
        elif change.resource in (JOBS, PODS):
            before = jobs.get(uid)
            over = before is not None and before.ended is not None
            job = jobs.note(change)
            if job is None or change.resource == PODS:
                continue
            if job.run in measured:
                # It may go on without the stage that has failed.
                continue
            if change.kind == "ADDED" and job.run in failed:
                at, name = failed.pop(job.run)
                if change.at - at < SECONDS and calm.holds(at - SECONDS, change.at):
                    found.append(f"{job.name} begins {change.at - at:.1f} s after {name} failed")
            if job.ended is not None and not over and _waits(job):
                failed[job.run] = change.at, job.name
    return found


def _waits(job: JobState) -> bool:
    """Return whether a Job has failed by itself, and its run must wait."""
    conditions = job.document["status"]["conditions"]
    reasons = {c["reason"] for c in conditions if c["type"] == "Failed"}
    codes = {exit_code(pod) for pod in job.pods.values()}
    deadline = "DeadlineExceeded" in reasons
    return bool(reasons) and not deadline and not job.deleting and not codes & {MEMORY, None}
