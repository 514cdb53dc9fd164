"""A Job whose stage an edit has replaced stops soon (docs/architecture.md, edits of a run).

If the newest status of a run has the first stage of a Job with another key, this Job makes what the
run does not need. Until prepare has committed for the edited spec, nobody knows the other keys.
"""

from __future__ import annotations

from ..api_server import JOBS, PODS, RUNS
from ..history import History
from .disturbances import calm_times
from .job_states import JobStates

SECONDS = 10.0
"""How long an operator that nothing disturbs may take."""


def violations(history: History) -> list[str]:
    """Return the Jobs that go on with a stage that has another key."""
    if history.exempt or any("unlabel" in text for _, text in history.faults):
        return []
    calm = calm_times(history)
    jobs = JobStates()
    plans: dict[str, dict[str, str]] = {}
    since: dict[str, float] = {}
    found: dict[str, str] = {}
    for change in history.changes:
        uid = change.document["metadata"]["uid"]
        if change.resource == RUNS:
            status = change.document.get("status") or {}
            known = status.get("observedGeneration") == change.document["metadata"]["generation"]
            known = known and "prepared" in (status.get("resolved") or {})
            stages = status.get("stages") or () if known and change.kind != "DELETED" else ()
            plans[uid] = {stage["id"]: stage["key"] for stage in stages}
            for job in jobs.of(uid):
                stage, key = job.first
                if job.lives and plans[uid].get(stage, key) != key:
                    since.setdefault(str(job.document["metadata"]["uid"]), change.at)
                else:
                    since.pop(str(job.document["metadata"]["uid"]), None)
        elif change.resource in (JOBS, PODS):
            known_job = jobs.note(change)
            if change.resource == JOBS and (known_job is None or not known_job.lives):
                since.pop(uid, None)
        for late, begin in list(since.items()):
            if change.at > calm.after(begin, SECONDS):
                gone = jobs.get(late)
                name = gone.name if gone is not None else late
                found[late] = f"{name} goes on {change.at - begin:.0f} s after it left the plan"
    return list(found.values())
