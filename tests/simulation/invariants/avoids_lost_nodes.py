"""An attempt that starts beside a Job on a lost node excludes this node by its name.

The operator does not see a Job whose labels somebody has removed.
"""

from __future__ import annotations

import json

from ..api_server import JOBS, Json
from ..history import History
from ..job_controller import is_finished
from ..nodes import excluded_nodes
from .lost_jobs import LostJob, lost_jobs
from .true_failure import UID_LABEL

STEPS = "isheep.dev/steps"


def violations(history: History) -> list[str]:
    """Return the Jobs that may get a pod on the node that their stage has lost."""
    lost: dict[str, list[LostJob]] = {}
    for job in lost_jobs(history):
        lost.setdefault(job.uid, []).append(job)
    if not lost:
        return []
    found: list[str] = []
    stages: dict[str, tuple[str, str]] = {}
    for change in history.changes:
        if change.resource != JOBS:
            continue
        document, uid = change.document, change.document["metadata"]["uid"]
        if change.kind == "DELETED" or is_finished(document):
            stages.pop(uid, None)
            continue
        stages[uid] = _stage(document)
        if change.kind == "ADDED":
            excluded = excluded_nodes(document["spec"]["template"]["spec"])
            found += [
                f"{document['metadata']['name']} may run on {one.node}, which {one.name} has lost"
                for other, stage in stages.items()
                if other != uid and stage == stages[uid]
                for one in lost.get(other, ())
                if one.since <= change.at < one.until and one.node not in excluded
            ]
    return found


def _stage(job: Json) -> tuple[str, str]:
    """Return the run of a Job and the key of its first stage."""
    metadata = job["metadata"]
    steps = json.loads((metadata.get("annotations") or {}).get(STEPS, "[]"))
    key = str(steps[0]["key"]) if steps else metadata["uid"]
    return (metadata.get("labels") or {}).get(UID_LABEL, ""), key
