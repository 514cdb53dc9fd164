"""The Job controller and the garbage collector: the pods, counts and conditions of Jobs.

The controller does what kube-controller-manager does with the fields that the operator sets:
Indexed completion, `podFailurePolicy`, `backoffLimitPerIndex`, `backoffLimit`,
`podReplacementPolicy: Failed`, `activeDeadlineSeconds` and `suspend`. The collector deletes the
Jobs of runs that do not exist, and the pods of such Jobs.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, kind_of

from .api_server import FOREGROUND, JOBS, ORPHAN, PODS, RUNS, ApiServer, Change, Json, collection
from .clock import Scheduler, monotonic, timestamp
from .kubelet import INDEX, JOB_NAME

STEPS, WALK = "isheep.dev/steps", "isheep.dev/walk"
CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
BACKOFF_SECONDS = 10.0
COLLECTION_SECONDS = (0.5, 5.0, 90.0, 90.0)
"""How long the garbage collector needs to find the Jobs of a deleted run."""
MAX_BACKOFF_SECONDS = 360.0


@dataclass
class _Counts:
    """What the controller has counted of a Job: ended pods, and failures by index."""

    counted: set[str] = field(default_factory=set)
    succeeded: set[int] = field(default_factory=set)
    failures: Counter[int] = field(default_factory=Counter)
    failed: int = 0
    failed_indexes: set[int] = field(default_factory=set)
    next_at: dict[int, float] = field(default_factory=dict)
    failing: tuple[str, str] | None = None
    started: float = math.inf


class JobController:
    """Keeps the Jobs and their pods, and deletes what has lost its owner.

    Kubernetes removes `status.startTime` of a Job that is suspended since 1.36. Older versions
    (`clears_start_time` is False) keep it, and set it again when the Job goes on.
    """

    def __init__(
        self,
        server: ApiServer,
        scheduler: Scheduler,
        chance: random.Random,
        *,
        clears_start_time: bool = True,
    ) -> None:
        self._server, self._scheduler, self._chance = server, scheduler, chance
        self._clears_start_time = clears_start_time
        self._counts: dict[str, _Counts] = {}
        self._due: set[str] = set()
        self._created = 0
        server.listeners.append(self._note)

    def _note(self, change: Change) -> None:
        document = change.document
        if change.resource == RUNS and change.kind == "DELETED":
            uid = document["metadata"]["uid"]
            self._scheduler.later(
                self._chance.choice(COLLECTION_SECONDS), lambda: self._collect(uid)
            )
        elif change.resource == JOBS and change.kind == "DELETED":
            uid = document["metadata"]["uid"]
            self._scheduler.later(0.3, lambda: self._delete_pods(uid))
        elif change.resource == JOBS:
            self._plan(change.path)
            if change.kind == "ADDED" and self._is_orphan(document):
                self._scheduler.later(2.0, lambda: self._collect(str(_owner(document))))
        elif change.resource == PODS:
            self._plan(f"{collection(JOBS)}/{document['metadata']['labels'][JOB_NAME]}")

    def _is_orphan(self, job: Json) -> bool:
        runs = {run["metadata"]["uid"] for _, run in self._server.members(RUNS)}
        return _owner(job) is not None and _owner(job) not in runs

    def _plan(self, place: str, seconds: float | None = None) -> None:
        if seconds is not None:
            self._scheduler.later(seconds, lambda: self._sync(place))
        elif place not in self._due:
            self._due.add(place)
            self._scheduler.later(self._chance.uniform(0.02, 0.4), lambda: self._sync(place))

    def _collect(self, run_uid: str) -> None:
        for place, job in self._server.members(JOBS):
            if _owner(job) == run_uid:
                self._server.delete(place, {"propagationPolicy": "Background"})

    def _pods(self, uid: str) -> list[tuple[str, Json]]:
        return [(p, pod) for p, pod in self._server.members(PODS) if _owner(pod) == uid]

    def _delete_pods(self, uid: str) -> None:
        for place, pod in self._pods(uid):
            if "deletionTimestamp" not in pod["metadata"]:
                self._server.delete(place, {})

    def _sync(self, place: str) -> None:
        self._due.discard(place)
        job = self._server.objects.get(place)
        if job is None:
            return
        metadata, uid = job["metadata"], job["metadata"]["uid"]
        finalizers = metadata.get("finalizers") or []
        pods = self._pods(uid)
        if "deletionTimestamp" in metadata:
            if ORPHAN in finalizers:
                for pod_place, _ in pods:
                    self._server.change(pod_place, metadata={"ownerReferences": []})
                pods = []
            self._delete_pods(uid)
            if not pods and (FOREGROUND in finalizers or ORPHAN in finalizers):
                self._server.remove(place)
                return
        counts = self._counts.setdefault(uid, _Counts())
        if not is_finished(job):
            self._manage(place, job, pods, counts)

    def _manage(self, place: str, job: Json, pods: list[tuple[str, Json]], counts: _Counts) -> None:
        spec = job["spec"]
        for _, pod in pods:
            self._count(spec, pod, counts)
        if counts.failing is None:
            counts.failing = _limit_exceeded(spec, counts)
        active = [(p, pod) for p, pod in pods if not _is_over(pod)]
        status = dict(job.get("status") or {})
        deleting = "deletionTimestamp" in job["metadata"]
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is not None and monotonic() >= counts.started + deadline:
            counts.failing = ("DeadlineExceeded", "Job was active longer than its deadline")
        if spec.get("suspend") and not deleting and counts.failing is None:
            self._delete_active(active)
            counts.started = math.inf
            if self._clears_start_time:
                status.pop("startTime", None)
        elif not deleting:
            if counts.started == math.inf:
                status["startTime"] = timestamp()
                counts.started = monotonic()
                if deadline is not None:
                    self._plan(place, deadline + 0.1)
            if counts.failing is not None:
                _count_stopped(active, counts)
                self._delete_active(active)
            elif len(counts.succeeded) < spec["completions"]:
                self._create(place, job, active, counts)
        active = [(p, pod) for p, pod in self._pods(job["metadata"]["uid"]) if not _is_over(pod)]
        self._write(place, job, status, active, counts)

    def _count(self, spec: Json, pod: Json, counts: _Counts) -> None:
        """Count a pod that has ended, once."""
        uid, index = pod["metadata"]["uid"], _index(pod)
        if uid in counts.counted or not _is_over(pod):
            return
        counts.counted.add(uid)
        if pod["status"]["phase"] == "Succeeded":
            counts.succeeded.add(index)
            return
        action = _action(spec, pod)
        if action == "FailJob" and counts.failing is None:
            counts.failing = ("PodFailurePolicy", f"the policy fails the Job at index {index}")
        if action == "Ignore":
            return
        counts.failed += 1
        counts.failures[index] += 1
        wait = BACKOFF_SECONDS * 2 ** (counts.failures[index] - 1)
        counts.next_at[index] = monotonic() + min(wait, MAX_BACKOFF_SECONDS)
        limit = spec.get("backoffLimitPerIndex")
        if limit is not None and counts.failures[index] > limit:
            counts.failed_indexes.add(index)

    def _create(
        self, place: str, job: Json, active: list[tuple[str, Json]], counts: _Counts
    ) -> None:
        busy = {_index(pod) for _, pod in active} | counts.succeeded | counts.failed_indexes
        room = job["spec"].get("parallelism", 1) - len(active)
        for index in [i for i in range(job["spec"]["completions"]) if i not in busy][:room]:
            wait = counts.next_at.get(index, 0.0) - monotonic()
            if wait > 0:
                self._plan(place, wait + 0.01)
                continue
            self._created += 1
            self._server.put(collection(PODS), _pod(job, index, self._created))

    def _delete_active(self, active: list[tuple[str, Json]]) -> None:
        for place, pod in active:
            if "deletionTimestamp" not in pod["metadata"]:
                self._server.delete(place, {})

    def _write(
        self, place: str, job: Json, status: Json, active: list[tuple[str, Json]], counts: _Counts
    ) -> None:
        going = [pod for _, pod in active if "deletionTimestamp" in pod["metadata"]]
        working = [pod for _, pod in active if "deletionTimestamp" not in pod["metadata"]]
        status |= {
            "active": len(working),
            "ready": sum(1 for pod in working if _is_ready(pod)),
            "terminating": len(going),
            "succeeded": len(counts.succeeded),
            "failed": counts.failed,
        }
        if counts.failed_indexes:
            status["failedIndexes"] = _ranges(counts.failed_indexes)
        conditions = list(status.get("conditions") or ())
        if counts.failing is not None:
            _add(conditions, "FailureTarget", *counts.failing)
            if not active:
                _add(conditions, "Failed", *counts.failing)
        elif len(counts.succeeded) == job["spec"]["completions"]:
            _add(conditions, "SuccessCriteriaMet", "CompletionsReached", "")
            if not active:
                _add(conditions, "Complete", "CompletionsReached", "")
                status.setdefault("completionTime", timestamp())
        if conditions:
            status["conditions"] = conditions
        if status != job.get("status"):
            self._server.change(place, status=status)


def _count_stopped(active: list[tuple[str, Json]], counts: _Counts) -> None:
    """Count the pods that a failure of their Job stops: each has failed, however it ends."""
    for _, pod in active:
        if pod["metadata"]["uid"] not in counts.counted:
            counts.counted.add(pod["metadata"]["uid"])
            counts.failed += 1


def _limit_exceeded(spec: Json, counts: _Counts) -> tuple[str, str] | None:
    """Return the reason and the message if too many pods or indexes have failed."""
    if spec.get("backoffLimitPerIndex") is None:
        exceeded = counts.failed > spec.get("backoffLimit", 6)
        return ("BackoffLimitExceeded", "Job has reached its backoff limit") if exceeded else None
    if len(counts.failed_indexes) > spec.get("maxFailedIndexes", spec["completions"]):
        return "MaxFailedIndexesExceeded", "Job has exceeded the limit of failed indexes"
    over = len(counts.failed_indexes) + len(counts.succeeded) == spec["completions"]
    return ("FailedIndexes", "Job has failed indexes") if counts.failed_indexes and over else None


def is_finished(job: Json) -> bool:
    """Return whether a Job is Complete or Failed."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    for one in conditions:
        if one["type"] in ("Complete", "Failed") and one["status"] == "True":
            return True
    return False


def is_later_part(job: Json) -> bool:
    """Return whether a Job makes a part of an iteration, and another one has begun that part."""
    annotations = job["metadata"].get("annotations") or {}
    walk = json.loads(annotations.get(WALK) or "{}")
    return "claim" in walk and walk["claim"] != json.loads(annotations[STEPS])[0]["key"]


def is_later_stage(job: Json) -> bool:
    """Return whether a Job begins with an inference stage after the first round."""
    first = json.loads((job["metadata"].get("annotations") or {})[STEPS])[0]["id"]
    return STAGE_DEFINITIONS[kind_of(first)].role is not None and not first.endswith("/r1")


def _pod(job: Json, index: int, number: int) -> Json:
    template, metadata = job["spec"]["template"], job["metadata"]
    labels = {
        **(template.get("metadata", {}).get("labels") or {}),
        CONTROLLER_UID: metadata["uid"],
        JOB_NAME: metadata["name"],
    }
    owner = {"kind": "Job", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    annotations = {**(template.get("metadata", {}).get("annotations") or {}), INDEX: str(index)}
    return {
        "metadata": {
            "name": f"{metadata['name']}-{index}-{number:05x}",
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
        "status": {"phase": "Pending"},
    }


def _action(spec: Json, pod: Json) -> str:
    """Return what the first rule that matches does with a failed pod; `Count` without a rule."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        if _matches(rule, pod):
            return str(rule["action"])
    return "Count"


def _matches(rule: Json, pod: Json) -> bool:
    status = pod["status"]
    held = {(c["type"], c["status"]) for c in status.get("conditions") or ()}
    if any((c["type"], c.get("status", "True")) in held for c in rule.get("onPodConditions") or ()):
        return True
    codes = rule.get("onExitCodes")
    if codes is None:
        return False
    for container in status.get("containerStatuses") or ():
        ended = container["state"].get("terminated")
        named = codes.get("containerName") in (None, container["name"])
        if ended and named and ended["exitCode"]:
            within = ended["exitCode"] in codes["values"]
            if within == (codes["operator"] == "In"):
                return True
    return False


def _owner(document: Json) -> Any:
    owners = document["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _index(pod: Json) -> int:
    return int(pod["metadata"]["annotations"][INDEX])


def _is_over(pod: Json) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def _is_ready(pod: Json) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _add(conditions: list[Json], kind: str, reason: str, message: str) -> None:
    if all(c["type"] != kind for c in conditions):
        conditions.append(
            {
                "type": kind,
                "status": "True",
                "reason": reason,
                "message": message,
                "lastTransitionTime": timestamp(),
            }
        )


def _ranges(indexes: set[int]) -> str:
    """Return indexes as Kubernetes writes them, for example `0,2-4`."""
    found: list[list[int]] = []
    for index in sorted(indexes):
        if found and found[-1][-1] == index - 1:
            found[-1].append(index)
        else:
            found.append([index])
    return ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in found)
