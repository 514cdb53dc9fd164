"""The GPU time of each attempt in a status belongs to a Job of the run, and to its pods.

The entry of an attempt has the name, the time of creation and the devices of a Job that existed,
the stage of its next seconds, and what was charged to each pod. That is at most the time since a
kubelet has accepted the pod. While a Job is stopped, its pods may take as long as their grace
period. An attempt that is charged completely has no pods in the status any more, and in the end
each attempt is charged completely (`api/gpu_usage.py`). The usage never disappears, and its prices
are those of the installation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, PODS, RUNS, Json
from ..history import History
from ..operator_process import PRICE
from .disturbances import calm_times, has_wrong_clock
from .true_failure import UID_LABEL
from .true_jobs import WALK

GPU = "nvidia.com/gpu"
PRICES = {"currency": "EUR", "perHour": {GPU: PRICE}}
ERROR_SECONDS = 1.5
"""Times have whole seconds."""
CALM_SECONDS = 60.0
"""How long nothing has disturbed the operator, so that it has seen the end of each Job."""
COMPLETE = {"pods": {}, "live": 0}


@dataclass(slots=True)
class _Job:
    """A Job with its run, its steps, and when a kubelet has accepted each of its pods."""

    document: Json
    run: str
    stages: set[str]
    walks: bool
    pods: dict[str, float] = field(default_factory=dict)

    @property
    def grace(self) -> int:
        spec = self.document["spec"]["template"]["spec"]
        return int(spec["terminationGracePeriodSeconds"])

    @property
    def devices(self) -> dict[str, int]:
        (container,) = self.document["spec"]["template"]["spec"]["containers"]
        limits = (container.get("resources") or {}).get("limits") or {}
        return {name: int(limits[name]) for name in (GPU,) if name in limits}


def violations(history: History) -> list[str]:
    """Return the entries that no Job explains, and those that stay open."""
    return [*_wrong_entries(history), *_open(history)]


def _wrong_entries(history: History) -> Iterator[str]:
    exact = not has_wrong_clock(history)
    jobs: dict[str, _Job] = {}
    named: defaultdict[tuple[str, str], list[_Job]] = defaultdict(list)
    before: dict[str, Json] = {}
    for change in history.changes:
        document = change.document
        metadata = document["metadata"]
        if change.resource == PODS:
            owners = metadata["ownerReferences"]
            job = jobs.get(owners[0]["uid"]) if owners else None
            if job is not None and "startTime" in document["status"]:
                job.pods.setdefault(metadata["uid"], change.at)
        elif change.resource == JOBS and change.kind == "ADDED":
            run = metadata["labels"].get(UID_LABEL, "")
            stages = {stage for stage, _ in steps_of(document)}
            job = _Job(document, run, stages, WALK in metadata["annotations"])
            jobs[metadata["uid"]] = job
            named[run, metadata["name"]].append(job)
        elif change.resource == RUNS:
            uid, status = metadata["uid"], document.get("status") or {}
            gpu, last = status.get("gpu"), before.pop(uid, None)
            if gpu is None:
                if last is not None and change.version not in history.exempt:
                    yield f"version {change.version} has no GPU time any more"
                continue
            before[uid] = gpu
            if gpu is last:
                continue
            for what in _wrong(gpu, uid, named, change.at if exact else None):
                yield f"version {change.version}: {what}"


def _wrong(
    gpu: Json, uid: str, named: dict[tuple[str, str], list[_Job]], at: float | None
) -> Iterator[str]:
    if any(gpu["seconds"].values()) and gpu.get("prices") != PRICES:
        yield f"the prices are {gpu.get('prices')}"
    for entry in gpu.get("attempts") or ():
        created = entry["created"]
        found = [
            one
            for one in named.get((uid, entry["name"]), ())
            if one.document["metadata"]["creationTimestamp"] == created
        ]
        if not found:
            yield f"{entry['name']} of {created} is no Job of the run"
        for job in found[-1:]:
            for what in _wrong_entry(entry, job, at):
                yield f"{entry['name']} has {what}"


def _wrong_entry(entry: Json, job: _Job, at: float | None) -> Iterator[str]:
    if entry["devices"] != job.devices:
        yield f"the devices {entry['devices']}, and its pods {job.devices}"
    if not job.walks and entry["stage"] not in job.stages:
        yield f"the stage {entry['stage']}"
    if entry.get("ended"):
        wrong = {n: entry[n] for n, v in COMPLETE.items() if (entry.get(n) or v) != v}
        if wrong or entry.get("stoppedAt"):
            yield f"{wrong or entry['stoppedAt']}, and is charged completely"
        return
    grace = entry.get("graceSeconds") or 0
    if grace > (job.grace if entry.get("stoppedAt") else 0):
        yield f"a grace of {grace} s, and its pods {job.grace} s"
    pods: dict[str, float] = entry.get("pods") or {}
    if (entry.get("live") or 0) > len(pods):
        yield f"{entry['live']} live pods of {len(pods)}"
    if at is None:
        return
    for name, seconds in pods.items():
        begun = [time for uid, time in job.pods.items() if _short(uid, name)]
        if seconds > (at - min(begun) + ERROR_SECONDS if begun else 0.0):
            yield f"{seconds} s of {name}, which began at {begun} s"


def _open(history: History) -> Iterator[str]:
    """Yield the attempts that are not charged completely, although their Job is gone."""
    end = history.changes[-1].at if history.changes else 0.0
    if not calm_times(history).holds(max(0.0, end - CALM_SECONDS), end):
        return
    for final in history.final:
        there = {job["metadata"]["name"] for job in final.jobs}
        for entry in ((final.run.get("status") or {}).get("gpu") or {}).get("attempts") or ():
            if not entry.get("ended") and entry["name"] not in there:
                yield f"{final.run['metadata']['name']} still charges {entry['name']}"


def _short(uid: str, name: str) -> bool:
    """Return whether a name of a pod is the begin of its UID, which is written without dashes."""
    return uid.replace("-", "").startswith(name)
