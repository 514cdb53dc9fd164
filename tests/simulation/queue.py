"""Kueue, as far as the operator sees it: the Workloads of suspended Jobs, admission and preemption.

A Job with the label of a queue is created suspended. Its Workload says why it waits. The queue
admits it after a while, and may preempt it. `tests/control_plane/kueue` runs the real Kueue.
"""

from __future__ import annotations

import random
from typing import Any

from .api_server import JOBS, WORKLOADS, ApiServer, Change, Json, collection
from .clock import Scheduler, timestamp

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
JOB_UID_LABEL = "kueue.x-k8s.io/job-uid"
QUEUES = ("team-a", "team-b")
NOTICE_SECONDS, SLOW_SECONDS = (0.1, 3.0), (5.0, 28.0)
"""How long Kueue needs to notice a Job: usually, and if it has just started or has much to do."""
REOPEN_SECONDS = 5.0
"""How often Kueue looks at a Job that has lost its labels."""
ADMISSION_SECONDS = (0.5, 5.0, 60.0, 300.0)


class Queue:
    """Holds the Jobs with a label of a queue, and admits them."""

    def __init__(
        self,
        server: ApiServer,
        scheduler: Scheduler,
        chance: random.Random,
        *,
        slow: bool = False,
    ) -> None:
        self._server, self._scheduler, self._chance = server, scheduler, chance
        self._notices = SLOW_SECONDS if slow else NOTICE_SECONDS
        server.listeners.append(self._note)

    def _note(self, change: Change) -> None:
        metadata = change.document["metadata"]
        if change.resource != JOBS or not is_queued(change.document):
            return
        place, uid = change.path, metadata["uid"]
        if change.kind == "ADDED":
            pause = self._chance.uniform(*self._notices)
            self._scheduler.later(pause, lambda: self._open(place, uid))
        elif change.kind == "DELETED":
            self._scheduler.later(0.1, lambda: self._close(uid))

    def preempt(self, place: str, seconds: float) -> None:
        """Suspend a Job that was admitted, and admit it again after some seconds."""
        job = self._server.objects[place]
        uid = job["metadata"]["uid"]
        evicted = _condition("Evicted", "True", "Preempted", "to accommodate a workload")
        self._write(uid, [_condition("QuotaReserved", "False", "Pending", "preempted"), evicted])
        self._server.change(place, spec={**job["spec"], "suspend": True})
        self._scheduler.later(seconds, lambda: self._admit(place, uid))

    def _open(self, place: str, uid: str) -> None:
        job = self._server.objects.get(place)
        if job is None or job["metadata"]["uid"] != uid:
            return
        queue = job["metadata"]["labels"].get(QUEUE_LABEL)
        if queue is None:
            # Somebody has removed the labels, and Kueue ignores the Job until they are back.
            self._scheduler.later(REOPEN_SECONDS, lambda: self._open(place, uid))
            return
        workload = {
            "metadata": {"name": f"job-{uid}", "labels": {JOB_UID_LABEL: uid}},
            "spec": {"queueName": queue, "active": True},
            "status": {"conditions": [_pending()]},
        }
        self._server.put(collection(WORKLOADS), workload)
        wait = self._chance.choice(ADMISSION_SECONDS)
        self._scheduler.later(wait, lambda: self._admit(place, uid))

    def _admit(self, place: str, uid: str) -> None:
        job = self._server.objects.get(place)
        if job is None or job["metadata"]["uid"] != uid:
            return
        reserved = _condition("QuotaReserved", "True", "QuotaReserved", "")
        self._write(uid, [reserved, _condition("Admitted", "True", "Admitted", "")])
        self._server.change(place, spec={**job["spec"], "suspend": False})

    def _write(self, uid: str, conditions: list[Json]) -> None:
        place = f"{collection(WORKLOADS)}/job-{uid}"
        if place in self._server.objects:
            self._server.change(place, status={"conditions": conditions})

    def _close(self, uid: str) -> None:
        place = f"{collection(WORKLOADS)}/job-{uid}"
        if place in self._server.objects:
            self._server.remove(place)


def is_queued(job: Json) -> bool:
    """Return whether a Job has the label of a queue."""
    return QUEUE_LABEL in (job["metadata"].get("labels") or {})


def _pending() -> Json:
    return _condition("QuotaReserved", "False", "Pending", "insufficient unused quota")


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(),
    }
