"""A run says that a node does not answer only if a node on which it has had a pod does not.

`NodeLost` sends a person to a node (docs/reference/conditions.md). A pod that needs its whole grace
period ends late although its node answers: the kubelet kills it some seconds later. A wrong clock
of the operator changes these times.
"""

from __future__ import annotations

from collections import defaultdict

from isheep.contract.reasons import Reason

from ..api_server import PODS, RUNS
from ..history import History
from .disturbances import has_wrong_clock
from .job_states import ready_reason
from .true_failure import UID_LABEL

LATE_SECONDS = 60.0
"""The operator may say it for so long after the node answers again: two looks at the pods."""


def violations(history: History) -> list[str]:
    """Return the versions of runs that begin to say it about nodes that answer."""
    if not history.silences or has_wrong_clock(history):
        # `true_reasons` refuses the reason if no node was silent.
        return []
    nodes: defaultdict[str, set[str]] = defaultdict(set)
    said: set[str] = set()
    found = []
    for change in history.changes:
        metadata = change.document["metadata"]
        if change.resource == PODS:
            nodes[metadata["labels"].get(UID_LABEL, "")].add(
                change.document["spec"].get("nodeName")
            )
        if change.resource != RUNS:
            continue
        if ready_reason(change.document) != Reason.NODE_LOST:
            said.discard(metadata["uid"])
        elif metadata["uid"] not in said:
            said.add(metadata["uid"])
            silent = {
                one.node
                for one in history.silences
                if one.begin <= change.at <= one.end + LATE_SECONDS
            }
            if silent.isdisjoint(nodes[metadata["uid"]]):
                found.append(f"version {change.version} says NodeLost, and its nodes answer")
    return found
