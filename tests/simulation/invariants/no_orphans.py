"""No Job is left of a run that is gone or complete, and no Job works for a run that has ended."""

from __future__ import annotations

from ..api_server import Json
from ..history import History
from ..job_controller import is_finished


def violations(history: History) -> list[str]:
    """Return the Jobs that are left at the end of the simulation."""
    runs = {final.run["metadata"]["uid"]: final.run for final in history.final}
    return [
        f"the Job {job['metadata']['name']} is left of a run that {why}"
        for job in history.jobs
        if (why := _why(job, runs)) is not None
    ]


def _why(job: Json, runs: dict[str, Json]) -> str | None:
    owner = job["metadata"]["ownerReferences"][0]["uid"]
    if owner not in runs:
        return "is gone"
    phase = (runs[owner].get("status") or {}).get("phase")
    if phase == "Succeeded":
        return "is complete"
    if phase == "Failed" and not is_finished(job):
        return "has failed"
    return None
