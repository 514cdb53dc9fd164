"""Slim records of pods and Events: the fields that the operator reads from their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isheep.contract.labels import CONTAINER
from isheep.kube.records import Json, timestamp


@dataclass(frozen=True, slots=True)
class Termination:
    """How the worker container of a pod ended."""

    exit_code: int
    reason: str
    message: str
    started: datetime | None
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class PodRecord:
    """The fields of a pod that the operator reads."""

    name: str
    uid: str
    phase: str
    reason: str = ""
    message: str = ""
    address: str | None = None
    index: int = 0
    deleting: bool = False
    disrupted: bool = False
    unschedulable: tuple[str, str] | None = None
    waiting: tuple[str, str] | None = None
    running_since: datetime | None = None
    termination: Termination | None = None

    @property
    def over(self) -> bool:
        """Return whether the pod has ended."""
        return self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An Event about a Job or a pod."""

    reason: str
    message: str


def pod_record(document: Json) -> PodRecord:
    """Return the record of a pod's JSON."""
    metadata, status = document["metadata"], document.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    state = _container_state(status)
    scheduled = conditions.get("PodScheduled", {})
    running = state.get("running") or {}
    waiting = state.get("waiting")
    index = (metadata.get("annotations") or {}).get("batch.kubernetes.io/job-completion-index", "0")
    return PodRecord(
        name=metadata["name"],
        uid=metadata["uid"],
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        address=status.get("podIP"),
        index=int(index),
        deleting="deletionTimestamp" in metadata,
        disrupted=conditions.get("DisruptionTarget", {}).get("status") == "True",
        unschedulable=(
            (scheduled.get("reason", ""), scheduled.get("message", ""))
            if scheduled.get("status") == "False"
            else None
        ),
        waiting=(waiting.get("reason", ""), waiting.get("message", "")) if waiting else None,
        running_since=timestamp(running["startedAt"]) if running.get("startedAt") else None,
        termination=_termination(state.get("terminated")),
    )


def _container_state(status: Json) -> dict[str, Any]:
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER:
            return dict(container.get("state") or {})
    return {}


def _termination(terminated: Json | None) -> Termination | None:
    if not terminated:
        return None
    times = [terminated.get(name) for name in ("startedAt", "finishedAt")]
    started, finished = (timestamp(time) if time else None for time in times)
    return Termination(
        exit_code=int(terminated.get("exitCode", 0)),
        reason=terminated.get("reason", ""),
        message=terminated.get("message", ""),
        started=started,
        finished=finished,
    )
