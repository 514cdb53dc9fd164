"""What a status has charged to a pod stays in the status while the attempt goes on.

The status of an attempt has the charged seconds of each pod, so that nobody charges a pod twice
(`api/gpu_usage.py`). Two operators may write in turn, and a pod may be gone when the second one
begins. If the status forgot this pod, the first one would charge it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..api_server import RUNS, Json
from ..history import History

Pods = dict[tuple[str, str], dict[str, float]]
"""The charged seconds of each pod, by name and time of the attempt."""


def violations(history: History) -> list[str]:
    """Return the pods that a status has forgotten, or to which it has charged less than before."""
    return list(_forgotten(history))


def _forgotten(history: History) -> Iterator[str]:
    before: dict[str, Pods] = {}
    for change in history.changes:
        if change.resource != RUNS:
            continue
        uid, now = change.document["metadata"]["uid"], _charged(change.document)
        earlier = {} if change.version in history.exempt else before.get(uid, {})
        for attempt, pods in earlier.items():
            for pod, seconds in pods.items() if attempt in now else ():
                if now[attempt].get(pod, -1.0) < seconds:
                    yield f"version {change.version} has charged {pod} of {attempt[0]} less"
        before[uid] = now


def _charged(run: Json) -> Pods:
    gpu: Any = (run.get("status") or {}).get("gpu") or {}
    return {
        (one["name"], one["created"]): one.get("pods") or {}
        for one in gpu.get("attempts") or ()
        if not one.get("ended")
    }
