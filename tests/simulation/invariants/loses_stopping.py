"""A Job that stops for too long counts as lost, and its run goes on (docs/architecture.md).

The pods of a Job that is deleted end within their grace period. If they exist a minute later, their
node does not answer, and the operator looks for that every 30 seconds.
"""

from __future__ import annotations

from ..api_server import JOBS, RUNS, Json
from ..history import History
from .disturbances import calm_times, has_act
from .job_states import JobStates, ready_reason

LOST_SECONDS = 60.0
LOOK_SECONDS = 45.0
"""How long the look after that may take."""


def violations(history: History) -> list[str]:
    """Return the runs that wait for a Job that stops for too long."""
    if history.exempt or has_act(history, "unlabel-job"):
        return []
    calm = calm_times(history)
    jobs = JobStates()
    runs: dict[str, Json] = {}
    since: dict[str, float] = {}
    stopping: dict[str, float] = {}
    for change in history.changes:
        uid = change.document["metadata"]["uid"]
        if change.resource == RUNS:
            runs[uid] = change.document
            if ready_reason(change.document) != "Stopping" or change.kind == "DELETED":
                stopping.pop(uid, None)
            else:
                stopping.setdefault(uid, change.at)
        elif change.resource == JOBS:
            job = jobs.note(change)
            if job is None:
                since.pop(uid, None)
            elif job.deleting:
                since.setdefault(uid, change.at)
        for run, begin in stopping.items():
            own = [job for job in jobs.of(run) if job.deleting]
            if len(own) != 1 or any(job.lives for job in jobs.of(run)):
                continue
            begun = max(begin, since[str(own[0].document["metadata"]["uid"])])
            pods = own[0].document["spec"]["template"]["spec"]
            most = pods["terminationGracePeriodSeconds"] + LOST_SECONDS + LOOK_SECONDS
            if change.at > calm.after(begun, most):
                name = runs[run]["metadata"]["name"]
                return [f"{name} waits for {own[0].name} to stop for {change.at - begun:.0f} s"]
    return []
