"""A prepare that needs too much time is named with this cause (docs/reference/stuck-runs.md).

Its Job has a time limit of half an hour. Nothing but the time has gone wrong, so the run waits as
it does for any other cause outside of it.
"""

from __future__ import annotations

from isheep.contract.reasons import Reason

from ..api_server import JOBS, RUNS, Json
from ..history import History
from .disturbances import calm_times
from .job_states import JobState, JobStates
from .open_requests import is_open

SECONDS = 10.0
"""How long an operator that nothing disturbs may take."""


def violations(history: History) -> list[str]:
    """Return the prepares that were too slow, and whose run says something else."""
    if history.exempt or history.silences:
        return []
    calm = calm_times(history)
    jobs = JobStates()
    runs: dict[str, Json] = {}
    due: dict[str, JobState] = {}
    found = []
    for change in history.changes:
        for run, job in list(due.items()):
            if change.at > (job.ended or 0.0) + SECONDS:
                del due[run]
                if run in runs and calm.holds(change.at - 2 * SECONDS, change.at):
                    said = (runs[run].get("status") or {}).get("lastFailure") or {}
                    if said.get("reason") != Reason.PREPARE_OVERDUE:
                        found.append(f"{job.name} was too slow, and its run says {said}")
        uid = change.document["metadata"]["uid"]
        if change.resource == RUNS:
            runs[uid] = change.document
            if change.kind == "DELETED":
                del runs[uid]
            asks = any(is_open(change.document).values()) or change.document["spec"].get("suspend")
            if change.kind == "DELETED" or asks:
                due.pop(uid, None)
        elif change.resource == JOBS:
            before = jobs.get(uid)
            known = before is None or before.ended is not None
            job_now = jobs.note(change)
            ends = job_now is not None and job_now.ended is not None and not known
            if job_now is not None and ends and _was_slow(job_now):
                due[job_now.run] = job_now
    return found


def _was_slow(job: JobState) -> bool:
    """Return whether a Job that has ended is a prepare with too little time."""
    conditions = job.document["status"]["conditions"]
    over = any((c["type"], c["reason"]) == ("Failed", "DeadlineExceeded") for c in conditions)
    return over and not job.deleting and job.first[0] == "prepare"
