"""The parts of a run's GPU time have the same sum, and it is exact while nothing disturbs anybody.

The seconds by iteration and those by stage are the same seconds (docs/how-to/charge-for-gpus.md),
and each one has its price. A
pod counts from the time when a kubelet accepts it to the end of its worker, also a stopped one. The
operator sees each of these times if it works and if nobody deletes a pod behind its back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..api_server import JOBS, PODS, RUNS, Json
from ..history import History
from ..operator_process import PRICE
from ..readings import charged_seconds, ends_pod, has_gpu
from .disturbances import FOREVER, calm_times
from .true_failure import UID_LABEL

ERROR_COST = 0.001
ERROR_HISTORY = 0.2
ROUNDING_SECONDS = 5.0
"""Each charge is rounded to a tenth of a second."""
POD_SECONDS = 2.0
"""The error of each pod: its times have whole seconds, and the end of a stop is seen a bit late."""
GRACE_SECONDS = 60.0
"""The grace period of the simulated pods."""
LOOK_SECONDS = 45.0
"""How old a pod may be before the operator has seen it."""
STOP_SECONDS = 0.5
"""How young a pod may be if the operator deletes its Job: it has looked at the pods before."""
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
        total = charged_seconds(run)
        iterations = sum(sum(one["seconds"].values()) for one in gpu.get("iterations") or ())
        stages = sum(s.get("gpuSeconds") or 0.0 for s in status.get("stages") or ())
        stages += sum((gpu.get("otherStages") or {}).values())
        for what, found in (("iterations", iterations), ("stages", stages)):
            if abs(found - total) > ROUNDING_SECONDS:
                yield f"{name} has {total:.0f} GPU seconds, and its {what} have {found:.0f}"
        by_iteration = {
            one["iteration"]: sum(one["seconds"].values()) for one in gpu.get("iterations") or ()
        }
        for one in status.get("history") or ():
            shown, wanted = one.get("gpuSeconds") or 0.0, by_iteration.get(one["iteration"], 0.0)
            if abs(shown - wanted) > ERROR_HISTORY:
                yield f"{name} shows {shown} GPU seconds of iteration {one['iteration']}"
        for one in gpu.get("attempts") or ():
            if not any((one.get("devices") or {}).values()):
                yield f"{name} charges {one['name']}, which has no GPU"
            open_pods = one.get("live") and not one.get("ended")
            if status.get("phase") == "Succeeded" and open_pods:
                yield f"{name} has succeeded, and {one['name']} is not charged completely"
        cost = total * PRICE / 3600
        if total and abs((gpu.get("cost") or 0.0) - cost) > ERROR_COST:
            yield f"{name} has the cost {gpu.get('cost')}, and its GPU seconds {cost:.3f}"


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
    young: dict[str, float] = {}
    own = {one.version for one in history.requests if one.method == "DELETE"}
    for change in history.changes:
        if change.resource == JOBS and "deletionTimestamp" in change.document["metadata"]:
            uid = change.document["metadata"]["uid"]
            look = STOP_SECONDS if change.version in own else LOOK_SECONDS
            if uid not in stopped and change.at - young.get(uid, -LOOK_SECONDS) < look:
                # Somebody deletes a Job before the operator has looked at its pods.
                late[change.document["metadata"]["labels"].get(UID_LABEL, "")] += GRACE_SECONDS
            stopped.add(uid)
        if change.resource != PODS or not has_gpu(change.document):
            continue
        metadata = change.document["metadata"]
        if "startTime" in change.document["status"] and metadata["uid"] not in begun:
            begun[metadata["uid"]] = change.at
            young.update((owner["uid"], change.at) for owner in metadata["ownerReferences"])
            if any(owner["uid"] in stopped for owner in metadata["ownerReferences"]):
                # A kubelet accepts a pod whose Job is being deleted, and nobody may see it.
                late[metadata["labels"].get(UID_LABEL, "")] += GRACE_SECONDS
        if begun.get(metadata["uid"], FOREVER) < FOREVER and ends_pod(change):
            run = metadata["labels"].get(UID_LABEL, "")
            held[run] += change.at - begun[metadata["uid"]]
            pods[run] += 1
            begun[metadata["uid"]] = FOREVER
    for final in history.final:
        uid, charged = final.run["metadata"]["uid"], charged_seconds(final.run)
        if abs(charged - held[uid]) > POD_SECONDS * pods[uid] + late[uid] + ROUNDING_SECONDS:
            name = final.run["metadata"]["name"]
            yield f"{name} is charged {charged:.0f} GPU seconds, and its pods had {held[uid]:.0f}"
