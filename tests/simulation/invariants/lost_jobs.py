"""The Jobs whose node has been lost: which, and from when on they count as lost.

Nobody can end the pods of such a Job. So the next attempt begins beside it, and the pods may commit
again when their node answers. If the clock of the operator is ahead, a pod that needs long to stop
looks like one on a lost node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..api_server import PODS, Change, Json
from ..history import History
from ..kubelet import JOB_NAME
from .disturbances import has_wrong_clock

LOST_SECONDS = 55.0
"""How long a node is silent at least before its pods count as lost."""
MARKED_SECONDS = 40.0
"""The same if the clock of the operator is wrong: when the node controller marks the pods."""
_AHEAD = re.compile(r"Act\(kind='clock', seconds=[0-9.]+, value=[1-9]")


@dataclass(frozen=True, slots=True)
class LostJob:
    """A Job, by its UID and name, with a pod on a node that counts as lost from `since` on.

    `until` is when the pod has ended or the node answers again.
    """

    uid: str
    name: str
    node: str
    since: float
    until: float


def lost_jobs(history: History) -> list[LostJob]:
    """Return the Jobs that have had a pod on a silent node for long enough."""
    return list(_lost(history)) if history.silences else []


def left_jobs(history: History) -> list[LostJob]:
    """Return the Jobs beside which an attempt may begin: the lost ones and those like them."""
    return [*lost_jobs(history), *_slow_stops(history)]


def _slow_stops(history: History) -> Iterator[LostJob]:
    """Yield the Jobs with a pod that stops while the clock of the operator is ahead."""
    ahead = min((at for at, text in history.faults if _AHEAD.match(text)), default=None)
    for change in history.changes if ahead is not None else ():
        metadata = change.document["metadata"]
        stops = change.resource == PODS and "deletionTimestamp" in metadata
        has_node = stops and change.document["spec"].get("nodeName")
        if change.at >= ahead and has_node and metadata.get("ownerReferences"):
            yield _job_of(change.document, change.at, float("inf"))


def _job_of(pod: Json, since: float, until: float) -> LostJob:
    metadata = pod["metadata"]
    uid, name = metadata["ownerReferences"][0]["uid"], metadata["labels"][JOB_NAME]
    return LostJob(uid, name, pod["spec"]["nodeName"], since, until)


def _lost(history: History) -> Iterator[LostJob]:
    is_wrong = has_wrong_clock(history)
    least = MARKED_SECONDS if is_wrong else LOST_SECONDS
    lives: dict[str, tuple[float, float, Change]] = {}
    for change in history.changes:
        if change.resource == PODS and (change.document["spec"].get("nodeName")):
            uid = change.document["metadata"]["uid"]
            begin = lives[uid][0] if uid in lives else change.at
            over = change.kind == "DELETED" or is_over(change.document)
            lives[uid] = (begin, change.at if over else float("inf"), change)
    for begin, end, change in lives.values():
        metadata, node = change.document["metadata"], change.document["spec"]["nodeName"]
        for silence in history.silences:
            since = max(begin, silence.begin)
            lost = silence.node == node and min(end, silence.end) - since >= least
            if lost and metadata["ownerReferences"]:
                yield _job_of(change.document, since + least, min(end, silence.end))


def is_over(pod: Json) -> bool:
    """Return whether a pod has ended."""
    return pod["status"].get("phase") in ("Succeeded", "Failed")
