"""What a status has charged to a pod stays in the status, and is in the sum of the run.

The status of an attempt has the charged seconds of each pod, so that nobody charges a pod twice
(`api/gpu_usage.py`). Two operators may write in turn, and a pod may be gone when the second one
begins. If the status forgot this pod, the first one would charge it again. What is charged to pods
is also added to the seconds of the run, in the same version (docs/how-to/charge-for-gpus.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..api_server import RUNS, Json
from ..history import History
from ..readings import charged_seconds

ERROR_SECONDS = 0.3
"""Times are rounded to a tenth of a second."""
Pods = dict[tuple[str, str], dict[str, float]]
"""The charged seconds of each pod, by name and time of the attempt."""


def violations(history: History) -> list[str]:
    """Return the pods that a status has forgotten, or to which it has charged less than before.

    If somebody has overwritten a status, the sums before say nothing about those after it.
    """
    return [*_forgotten(history), *(() if history.exempt else _not_added(history))]


def _not_added(history: History) -> Iterator[str]:
    """Yield the versions in which less is added to the sum of a run than to its pods."""
    before: dict[str, tuple[float, Pods]] = {}
    for change in history.changes:
        if change.resource != RUNS or "gpu" not in (change.document.get("status") or {}):
            continue
        uid, total, pods = (
            change.document["metadata"]["uid"],
            charged_seconds(change.document),
            _charged(change.document),
        )
        earlier, known = before.get(uid, (0.0, {}))
        if pods != known:
            charged, added = _seconds(pods, known), total - earlier
            if added < charged - ERROR_SECONDS:
                yield f"version {change.version} adds {added:.1f} s of {charged:.1f} s of its pods"
        before[uid] = total, pods


def _seconds(pods: Pods, known: Pods) -> float:
    """Return what is charged to pods more than before; each has one GPU."""
    return sum(
        max(0.0, seconds - known.get(attempt, {}).get(pod, 0.0))
        for attempt, charged in pods.items()
        for pod, seconds in charged.items()
    )


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
