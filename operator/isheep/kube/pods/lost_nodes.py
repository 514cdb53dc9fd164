"""Pods on lost nodes. A pure function of the records of pods.

The kubelet of a lost node reports nothing, so its pods neither end nor disappear: the API server
keeps a deleted pod until its kubelet confirms that it has ended. The operator may not read nodes,
but the pods show it in two ways:

- A pod is deleted, by the eviction from a node that does not answer or by somebody else, and still
  exists long after its grace period, at the end of which a kubelet kills it.
- The node controller has set the condition Ready of a pod to False, because the node does not
  answer, and its containers are ready in the kubelet's last report. A kubelet never reports this
  for a pod without readiness gates. Pods that tolerate the taint of lost nodes are not evicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from isheep.contract.reasons import Reason
from isheep.kube.pods.pod_records import PodRecord
from isheep.planner.types import Waiting

KILL_TIME = timedelta(seconds=10)
"""How long a kubelet may take to kill a pod at the end of its grace period, and to report it."""
DELETION_GRACE = timedelta(seconds=60)
"""How long a deleted pod may exist after its grace period before it counts as lost."""
SILENCE_GRACE = timedelta(seconds=300)
"""How long a node may be silent before its pods count as lost; Kubernetes evicts pods then."""


def lost_nodes(pods: Sequence[PodRecord], now: datetime) -> tuple[str, ...]:
    """Return the nodes of the pods that have not ended, if all of them are lost."""
    live = [pod for pod in pods if not pod.over]
    return _nodes(live) if all(_is_lost(pod, now) for pod in live) else ()


def why_silent(pods: Sequence[PodRecord], now: datetime) -> Waiting | None:
    """Return that the nodes of all pods that have not ended are silent."""
    live = [pod for pod in pods if not pod.over]
    if not live or not all(_silent_since(pod, now) for pod in live):
        return None
    text = (
        f"the node {', '.join(_nodes(live))} does not answer; unless it comes back within some "
        "minutes, the next attempt starts on another node"
    )
    return Waiting(Reason.NODE_LOST, text, stalled=False)


def lost_message(nodes: Sequence[str]) -> str:
    """Return the message about an attempt whose pods are all on lost nodes."""
    return f"the node {', '.join(nodes)} does not answer; the next attempt avoids it"


def _is_lost(pod: PodRecord, now: datetime) -> bool:
    since = _silent_since(pod, now)
    grace = DELETION_GRACE if pod.gone_by is not None else SILENCE_GRACE
    return since is not None and now >= since + grace


def _silent_since(pod: PodRecord, now: datetime) -> datetime | None:
    """Return since when the kubelet of a pod has been silent; None if it may still answer."""
    if pod.node is None:
        return None
    if pod.gone_by is not None:
        return pod.gone_by if now >= pod.gone_by + KILL_TIME else None
    return pod.cut_off_since


def _nodes(pods: Sequence[PodRecord]) -> tuple[str, ...]:
    return tuple(sorted({pod.node for pod in pods if pod.node is not None}))
