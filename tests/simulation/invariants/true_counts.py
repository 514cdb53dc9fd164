"""The counts of a status are true: no stage has more attempts or failures than the run had Jobs.

A Job that the API server has refused is no attempt. A stage that is retried has a failure, or has
needed too much memory.
"""

from __future__ import annotations

from collections import Counter

from isheep.contract.reasons import Reason

from ..api_server import JOBS, RUNS
from ..history import History
from .true_failure import UID_LABEL

PREPARE, STAGE_LABEL = "prepare", "isheep.dev/stage"


def violations(history: History) -> list[str]:
    """Return the first stage of each run that has more attempts than the run had Jobs."""
    found: dict[str, str] = {}
    jobs: Counter[str] = Counter()
    later: Counter[str] = Counter()
    for change in history.changes:
        document = change.document
        if change.resource == JOBS and change.kind == "ADDED":
            run = document["metadata"]["labels"].get(UID_LABEL, "")
            jobs[run] += 1
            later[run] += document["metadata"]["labels"].get(STAGE_LABEL) != PREPARE
        if change.resource != RUNS:
            continue
        uid = document["metadata"]["uid"]
        for stage in (document.get("status") or {}).get("stages") or ():
            counted = max(stage.get("attempts") or 0, stage.get("failures") or 0)
            most = jobs[uid] if stage["id"] == PREPARE else later[uid]
            if counted > most:
                text = f"{stage['id']} has {counted} attempts, and its run had {most} Jobs"
                found.setdefault(uid, f"version {change.version}: {text}")
            retried = (stage.get("hold") or {}).get("reason") == Reason.RETRYING
            if retried and not stage.get("failures") and not stage.get("memoryReduction"):
                text = f"{stage['id']} is retried without a failure"
                found.setdefault(uid, f"version {change.version}: {text}")
    return list(found.values())
