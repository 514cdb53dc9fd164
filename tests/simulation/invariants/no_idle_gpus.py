"""No pod holds a GPU for nobody: for a run that is gone, has ended, or is suspended.

An operator that is disturbed needs a while. A pod on a node that does not answer cannot be ended.
"""

from __future__ import annotations

from ..api_server import PODS, RUNS, Change
from ..history import History
from .lost_jobs import is_over, lost_jobs
from .true_failure import UID_LABEL

IDLE_PHASES = ("Succeeded", "Failed", "Suspended")
LIMIT_SECONDS = 3000.0
"""Two of the longest disturbances (700 s) with a LIST (300 s) and a Lease between them, twice."""


def violations(history: History) -> list[str]:
    """Return the pods that went on for too long, and those that are left."""
    lost = {job.uid for job in lost_jobs(history)}
    idle_since: dict[str, float] = {}
    pods: dict[str, Change] = {}
    found: dict[str, str] = {}
    for change in history.changes:
        uid = change.document["metadata"]["uid"]
        if change.resource == PODS:
            pods[uid] = change
            if change.kind == "DELETED" or is_over(change.document):
                del pods[uid]
        if change.resource == RUNS:
            if change.kind == "DELETED" or _is_idle(change):
                idle_since.setdefault(uid, change.at)
            else:
                idle_since.pop(uid, None)
        for pod, last in pods.items():
            metadata = last.document["metadata"]
            since = idle_since.get(metadata["labels"].get(UID_LABEL, ""), float("inf"))
            owners = metadata["ownerReferences"]
            if not owners or owners[0]["uid"] not in lost:
                idle = change.at - max(since, pods[pod].at)
                if idle > LIMIT_SECONDS:
                    found[pod] = f"{metadata['name']} goes on for {idle:.0f} s after its run"
    left = [pod["metadata"]["name"] for pod in history.pods if not is_over(pod)]
    return [*found.values(), *(f"the pod {name} is left at the end" for name in left)]


def _is_idle(change: Change) -> bool:
    document = change.document
    status = document.get("status") or {}
    is_current = status.get("observedGeneration") == document["metadata"]["generation"]
    return is_current and status.get("phase") in IDLE_PHASES
