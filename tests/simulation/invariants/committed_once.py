"""Nothing is made twice: no worker commits a stage that another one has committed meanwhile.

A worker looks for a stage before it begins, so a second commit means that two workers made the
stage at the same time. Some Jobs may do so: one on a node that is lost, or looks so, when the node
answers again; one that somebody has deleted before its pods (`kubectl delete job`), if the node of
a pod does not hear that the pod must stop; and one whose labels somebody has removed. The operator
does not see such a Job any more.
"""

from __future__ import annotations

from ..api_server import JOBS, PODS, Json
from ..history import History
from .lost_jobs import is_over, left_jobs
from .true_failure import UID_LABEL


def violations(history: History) -> list[str]:
    """Return the stages that two workers have made."""
    makers: dict[str, str] = {}
    again = []
    for commit in history.commits:
        first = makers.setdefault(commit.key, commit.job)
        if not commit.first:
            again.append((commit, first))
    if not again:
        return []
    unseen = {job.name for job in left_jobs(history)} | _without_labels(history)
    unseen |= _gone_before_pods(history)
    return [
        f"{one.stage} was made twice, the second time by {one.job} at {one.at:.0f} s"
        for one, first in again
        if unseen.isdisjoint((one.job, first))
    ]


def _gone_before_pods(history: History) -> set[str]:
    """Return the Jobs that were deleted while a pod of theirs was on a silent node."""
    found: set[str] = set()
    pods: dict[str, Json] = {}
    for change in history.changes:
        uid = change.document["metadata"]["uid"]
        if change.resource == PODS:
            pods[uid] = change.document
            if change.kind == "DELETED" or is_over(change.document):
                del pods[uid]
        elif change.resource == JOBS and change.kind == "DELETED":
            owned = (pod for pod in pods.values() if _owner(pod) == uid)
            nodes = {pod["spec"].get("nodeName") for pod in owned}
            silent = (s.node for s in history.silences if s.begin <= change.at < s.end)
            if not nodes.isdisjoint(silent):
                found.add(str(change.document["metadata"]["name"]))
    return found


def _owner(pod: Json) -> str | None:
    owners = pod["metadata"].get("ownerReferences") or ()
    return owners[0]["uid"] if owners else None


def _without_labels(history: History) -> set[str]:
    return {
        str(change.document["metadata"]["name"])
        for change in history.changes
        if change.resource == JOBS
        and UID_LABEL not in (change.document["metadata"].get("labels") or {})
    }
