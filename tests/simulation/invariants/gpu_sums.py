"""The parts of a run's GPU time have the same sum, and it is exact while nothing disturbs anybody.

The seconds by iteration and those by stage are the same seconds (docs/how-to/charge-for-gpus.md). A
pod counts from the time when a kubelet accepts it to the end of its worker, also a stopped one. The
operator sees each of these times if it works and if nobody deletes a pod behind its back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..api_server import JOBS, PODS, RUNS, Json
from ..history import History
from .disturbances import FOREVER, calm_times
from .gpu_time import _charged, _has_gpu, _is_gone
from .true_failure import UID_LABEL

ROUNDING_SECONDS = 5.0
"""Each charge is rounded to a tenth of a second."""
POD_SECONDS = 2.0
"""The error of each pod: its times have whole seconds, and the end of a stop is seen a bit late."""
GRACE_SECONDS = 60.0
"""The grace period of the simulated pods."""
HIDDEN = (
    "'Background'",
    "'evict-all'",
    "'suspend-job'",
    "'lose-node'",
    "'delete-run'",
    "'unlabel-job'",
    "'delay'",
)
"""What ends pods without the operator's knowledge."""


def violations(history: History) -> list[str]:
    """Return the sums that differ from each other, and from the time of the pods."""
    return [*_sums(history), *_totals(history)]


def _sums(history: History) -> Iterator[str]:
    """Yield the runs whose last status has parts with another sum."""
    last: dict[str, Json] = {}
    for change in history.changes:
        if change.resource == RUNS:
            last[change.document["metadata"]["uid"]] = change.document
    for run in last.values() if not history.exempt else ():
        status, name = run.get("status") or {}, run["metadata"]["name"]
        gpu = status.get("gpu") or {}
        total = _charged(run)
        iterations = sum(sum(one["seconds"].values()) for one in gpu.get("iterations") or ())
        stages = sum(s.get("gpuSeconds") or 0.0 for s in status.get("stages") or ())
        stages += sum((gpu.get("otherStages") or {}).values())
        for what, found in (("iterations", iterations), ("stages", stages)):
            if abs(found - total) > ROUNDING_SECONDS:
                yield f"{name} has {total:.0f} GPU seconds, and its {what} have {found:.0f}"


def _totals(history: History) -> Iterator[str]:
    texts = " ".join(text for _, text in history.faults)
    exact = calm_times(history).holds(0.0, FOREVER) and not history.silences
    if not exact or history.exempt or any(name in texts for name in HIDDEN):
        return
    held: Counter[str] = Counter()
    pods: Counter[str] = Counter()
    late: Counter[str] = Counter()
    begun: dict[str, float] = {}
    stopped: set[str] = set()
    for change in history.changes:
        if change.resource == JOBS and "deletionTimestamp" in change.document["metadata"]:
            stopped.add(change.document["metadata"]["uid"])
        if change.resource != PODS or not _has_gpu(change.document):
            continue
        metadata = change.document["metadata"]
        if "startTime" in change.document["status"] and metadata["uid"] not in begun:
            begun[metadata["uid"]] = change.at
            if any(owner["uid"] in stopped for owner in metadata["ownerReferences"]):
                # A kubelet accepts a pod whose Job is being deleted, and nobody may see it.
                late[metadata["labels"].get(UID_LABEL, "")] += GRACE_SECONDS
        if begun.get(metadata["uid"], FOREVER) < FOREVER and _is_gone(change):
            run = metadata["labels"].get(UID_LABEL, "")
            held[run] += change.at - begun[metadata["uid"]]
            pods[run] += 1
            begun[metadata["uid"]] = FOREVER
    for final in history.final:
        uid, charged = final.run["metadata"]["uid"], _charged(final.run)
        if abs(charged - held[uid]) > POD_SECONDS * pods[uid] + late[uid] + ROUNDING_SECONDS:
            name = final.run["metadata"]["name"]
            yield f"{name} is charged {charged:.0f} GPU seconds, and its pods had {held[uid]:.0f}"
