"""No more runs of a namespace work than its limit allows, and a place that is free is used.

`limits.runsPerNamespace` in the chart's values promises it. A run that waits for a place says
RunLimit. It begins soon after the other runs have ended, or cannot go on.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.contract.reasons import Reason

from ..api_server import JOBS, RUNS, Json
from ..history import History
from .disturbances import calm_times, has_act
from .job_states import JobStates, ready_reason

CALM_SECONDS = 30.0
"""For this time nothing has disturbed the operator, so it knows all Jobs."""
FREE_SECONDS = 30.0
"""How soon a place that is free is used."""
OVER = ("Succeeded", "Failed")


def violations(history: History) -> list[str]:
    """Return the runs that work beyond the limit, and those that wait although a place is free."""
    hidden = history.silences or has_act(history, "unlabel-job")
    if history.limit is None or hidden or history.exempt:
        return []
    return list(dict.fromkeys(_wrong(history, history.limit)))


def _wrong(history: History, limit: int) -> Iterator[str]:
    calm = calm_times(history)
    jobs = JobStates()
    runs: dict[str, Json] = {}
    since: dict[str, float] = {}
    for change in history.changes:
        uid = change.document["metadata"]["uid"]
        if change.resource == RUNS:
            runs[uid] = change.document
            if change.kind == "DELETED":
                del runs[uid]
        elif change.resource == JOBS:
            job = jobs.note(change)
            if job is not None and change.kind == "ADDED":
                others = [run for run in runs if run != job.run and _works(jobs, run)]
                known = calm.holds(change.at - CALM_SECONDS, change.at)
                if job.run in runs and len(others) >= limit and known:
                    yield f"{job.name} begins beside {len(others)} runs that work"
        else:
            continue
        for run, document in runs.items():
            taken = any(not _is_over(other) for own, other in runs.items() if own != run)
            left = any(job.run != run for job in jobs.all())
            if ready_reason(document) == Reason.RUN_LIMIT and not taken and not left:
                begin = since.setdefault(run, change.at)
                if change.at > calm.after(begin, FREE_SECONDS):
                    name = document["metadata"]["name"]
                    yield f"{name} waits for a place for {change.at - begin:.0f} s that is free"
            else:
                since.pop(run, None)


def _works(jobs: JobStates, run: str) -> bool:
    """Return whether a run has a Job that has not ended."""
    return any(job.ended is None for job in jobs.of(run))


def _is_over(run: Json) -> bool:
    return (run.get("status") or {}).get("phase") in OVER
