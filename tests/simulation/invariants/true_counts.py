"""The counts of a status are true: no stage has more attempts or failures than it had Jobs.

These are the Jobs that begin with the stage, and those that may have walked to it. A Job that the
API server has refused is no attempt. A stage that is retried has a failure, or has
needed too much memory.
"""

from __future__ import annotations

from collections import Counter

from isheep.contract.reasons import Reason

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, RUNS
from ..history import History
from .true_failure import UID_LABEL
from .true_jobs import WALK


def violations(history: History) -> list[str]:
    """Return the first stage of each run that has more attempts than Jobs."""
    found: dict[str, str] = {}
    named: Counter[tuple[str, str, str]] = Counter()
    walks: Counter[str] = Counter()
    for change in history.changes:
        document = change.document
        if change.resource == JOBS and change.kind == "ADDED":
            uid = document["metadata"]["labels"].get(UID_LABEL, "")
            is_walk = WALK in document["metadata"]["annotations"]
            walks[uid] += is_walk
            for stage_id, key in steps_of(document):
                # Without a walk, the Job is no Job of any other stage.
                named[uid, stage_id, key] += not is_walk
        if change.resource != RUNS:
            continue
        uid = document["metadata"]["uid"]
        for stage in (document.get("status") or {}).get("stages") or ():
            counted = max(stage.get("attempts") or 0, stage.get("failures") or 0)
            had = named[uid, stage["id"], stage["key"]]
            had += walks[uid] if stage["id"] != "prepare" else 0
            if counted > had:
                text = f"{stage['id']} has {counted} attempts, and had {had} Jobs"
                found.setdefault(uid, f"version {change.version}: {text}")
            retried = (stage.get("hold") or {}).get("reason") == Reason.RETRYING
            if retried and not stage.get("failures") and not stage.get("memoryReduction"):
                text = f"{stage['id']} is retried without a failure"
                found.setdefault(uid, f"version {change.version}: {text}")
    return list(found.values())
