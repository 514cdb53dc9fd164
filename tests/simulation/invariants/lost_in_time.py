"""An attempt avoids a node only after the time for which a node that comes back is waited for.

`docs/decisions/0020-a-lost-node-is-read-from-its-pods.md` has the times: a pod is deleted and still
exists a minute after its grace period, or the node controller has marked it for five minutes. A
wrong clock of the operator changes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..api_server import JOBS, PODS, Change, Json
from ..history import History
from ..nodes import excluded_nodes
from .disturbances import has_wrong_clock
from .keeps_waiting import seconds_of
from .lost_jobs import is_over
from .true_failure import UID_LABEL

MARKED_SECONDS = 300.0
DELETED_SECONDS = 60.0
ERROR_SECONDS = 2.0
"""Times have whole seconds."""
NEVER = float("inf")


def violations(history: History) -> list[str]:
    """Return the Jobs that avoid a node too early."""
    if not history.silences or has_wrong_clock(history):
        return []
    return list(_early(history.changes))


def _early(changes: tuple[Change, ...]) -> Iterator[str]:
    pods: dict[str, Json] = {}
    lost: defaultdict[tuple[str, str], float] = defaultdict(lambda: NEVER)
    for change in changes:
        metadata = change.document["metadata"]
        if change.resource == PODS:
            # A pod counts as lost from a time on, unless it has changed before.
            _note(pods.get(metadata["uid"]), change.at, lost)
            pods[metadata["uid"]] = change.document
            if change.kind == "DELETED":
                del pods[metadata["uid"]]
        elif change.resource == JOBS and change.kind == "ADDED":
            nodes = excluded_nodes(change.document["spec"]["template"]["spec"])
            if nodes:
                for pod in pods.values():
                    _note(pod, change.at, lost)
            run = metadata["labels"].get(UID_LABEL, "")
            for node in sorted(nodes):
                if lost[run, node] > change.at:
                    yield f"{metadata['name']} avoids {node}, which is not lost yet"


def _note(pod: Json | None, until: float, lost: dict[tuple[str, str], float]) -> None:
    """Note that a pod that is as it is until a time has lost its node."""
    if pod is None or is_over(pod) or (since := lost_at(pod)) > until:
        return
    place = pod["metadata"]["labels"].get(UID_LABEL, ""), str(pod["spec"].get("nodeName"))
    lost[place] = min(lost[place], since)


def lost_at(pod: Json) -> float:
    """Return when the node of a pod counts as lost if the pod does not change any more."""
    deleted, times = pod["metadata"].get("deletionTimestamp"), [NEVER]
    if deleted is not None:
        times.append(seconds_of(deleted) + DELETED_SECONDS)
    else:
        times += [
            seconds_of(one["lastTransitionTime"]) + MARKED_SECONDS
            for one in pod["status"].get("conditions") or ()
            if (one["type"], one["status"]) == ("Ready", "False")
        ]
    return min(times) - ERROR_SECONDS
