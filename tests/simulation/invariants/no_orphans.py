"""No Job is left of a run that is gone or complete, and no Job works for a run that has ended.

One Job may be left of a complete run: the last failed Job of a measurement that has failed finally
remains until the measurement has succeeded (docs/how-to/watch-a-run.md). Somebody who retries the
run needs its logs.
"""

from __future__ import annotations

import json

from isheep.contract.stage_ids import iteration_of

from ...control_plane.harness.invariants import steps_of
from ..api_server import Json
from ..history import History
from ..job_controller import WALK, is_finished
from .true_jobs import ATTEMPT_LABEL


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
    status = runs[owner].get("status") or {}
    phase = status.get("phase")
    if phase == "Succeeded" and not _shows_failure(job, status):
        return "is complete"
    if phase == "Failed" and not is_finished(job):
        return "has failed"
    return None


def _shows_failure(job: Json, status: Json) -> bool:
    """Return whether the logs of a Job show why a measurement has failed finally."""
    if not is_finished(job):
        return False
    stages = status.get("stages") or ()
    first, number = steps_of(job)[0], int(job["metadata"]["labels"][ATTEMPT_LABEL])
    failed = [stage for stage in stages if stage.get("failure")]
    if WALK in job["metadata"]["annotations"]:
        grouping = json.loads(job["metadata"]["annotations"][WALK])["grouping"]
        own = iteration_of(first[0])
        return any(grouping == "Run" or iteration_of(stage["id"]) == own for stage in failed)
    return any((s["id"], s["key"]) == first and s["attempts"] <= number for s in failed)
