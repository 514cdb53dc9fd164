"""Slim records of pods and Events: the fields that the operator reads from their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isheep.contract.labels import CONTAINER
from isheep.kube.cache.records import Json, timestamp
from isheep.kube.pods.pod_results import shown

EVENT_CHARACTERS = 4096
"""How much of the message of an Event is kept; Kubernetes' own messages have 1,024 bytes."""
INDEX_DIGITS = 9


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
    """The fields of a pod that the operator reads.

    `waiting` is why the worker container, or an init container before it, does not run.
    `others_running` are the containers beside the worker that have not ended, and `others_failed`
    those that have ended with another exit code than 0. `failed_init` is the
    init container that failed, with its exit code, and `claims` are the names of the claims that
    the pod mounts. `accepted` is when a kubelet accepted the pod, `gone_by` the time by which a
    deletion ends it, and `disrupted_at` when the cluster ended it. `cut_off_since` is when the
    cluster last heard of its `node`, if the node does not answer. `considered` is whether the
    `scheduler` has said anything about the pod, and `gates` are what the scheduler waits for.
    """

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
    others_running: tuple[str, ...] = ()
    others_failed: tuple[str, ...] = ()
    failed_init: tuple[str, int] | None = None
    claims: tuple[str, ...] = ()
    accepted: datetime | None = None
    gone_by: datetime | None = None
    disrupted_at: datetime | None = None
    node: str | None = None
    cut_off_since: datetime | None = None
    scheduler: str = ""
    considered: bool = True
    gates: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Return whether the pod has ended."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def done(self) -> bool:
        """Return whether the worker has ended well, however the other containers have ended."""
        return self.termination is not None and self.termination.exit_code == 0

    @property
    def lingers(self) -> bool:
        """Return whether the worker has ended, and the pod has not."""
        return not self.over and self.termination is not None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An Event about a Job or a pod."""

    reason: str
    message: str


def event_record(document: Json) -> EventRecord:
    """Return the record of an Event's JSON, with the beginning of its message."""
    message = shown(str(document.get("message") or "")[:EVENT_CHARACTERS])
    return EventRecord(str(document.get("reason") or ""), message)


def pod_record(document: Json) -> PodRecord:
    """Return the record of a pod's JSON."""
    metadata, status = document["metadata"], document.get("status") or {}
    spec = document.get("spec") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    state = _container_state(status)
    scheduled = conditions.get("PodScheduled", {})
    running = state.get("running") or {}
    waiting = _init_waiting(status) or state.get("waiting")
    index = (metadata.get("annotations") or {}).get("batch.kubernetes.io/job-completion-index", "0")
    return PodRecord(
        name=metadata["name"],
        uid=metadata["uid"],
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=shown(status.get("message", "")),
        address=status.get("podIP"),
        # Somebody may have edited the annotation.
        index=int(index) if index.isdecimal() and len(index) <= INDEX_DIGITS else 0,
        deleting="deletionTimestamp" in metadata,
        disrupted=conditions.get("DisruptionTarget", {}).get("status") == "True",
        unschedulable=(
            (scheduled.get("reason", ""), scheduled.get("message", ""))
            if scheduled.get("status") == "False"
            else None
        ),
        waiting=(waiting.get("reason", ""), shown(waiting.get("message", ""))) if waiting else None,
        running_since=_time(running.get("startedAt")),
        termination=_termination(state.get("terminated")),
        others_running=_others_running(status),
        others_failed=_others_failed(status),
        failed_init=_failed_init(spec, status),
        claims=_claims(spec),
        accepted=_time(status.get("startTime")),
        gone_by=_time(metadata.get("deletionTimestamp")),
        disrupted_at=_time(conditions.get("DisruptionTarget", {}).get("lastTransitionTime")),
        node=spec.get("nodeName"),
        cut_off_since=_cut_off_since(spec, conditions),
        scheduler=spec.get("schedulerName") or "",
        # The scheduler does not look at a pod whose claims of devices do not exist.
        considered="PodScheduled" in conditions or bool(spec.get("resourceClaims")),
        gates=tuple(gate["name"] for gate in spec.get("schedulingGates") or ()),
    )


def _cut_off_since(spec: Json, conditions: Mapping[str, Json]) -> datetime | None:
    """Return when the node controller has marked a pod, whose containers were ready, as not ready.

    It does so if the node does not answer. A kubelet reports both conditions alike, unless the pod
    has readiness gates.
    """
    ready, containers = (conditions.get(name, {}) for name in ("Ready", "ContainersReady"))
    marked = ready.get("status") == "False" and containers.get("status") == "True"
    return (
        _time(ready.get("lastTransitionTime"))
        if marked and not spec.get("readinessGates")
        else None
    )


def _time(text: str | None) -> datetime | None:
    return timestamp(text) if text else None


def _container_state(status: Json) -> dict[str, Any]:
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER:
            return dict(container.get("state") or {})
    return {}


def _init_waiting(status: Json) -> Json | None:
    """Return why the first init container that has not ended delays the worker."""
    for container in status.get("initContainerStatuses") or ():
        name, state = container["name"], container.get("state") or {}
        waiting = state.get("waiting")
        if waiting and waiting.get("reason") not in (None, "PodInitializing"):
            text = waiting.get("message") or waiting["reason"]
            return {**waiting, "message": f"init container {name}: {text}"}
        # A sidecar is an init container that runs and has started; the next container follows.
        if "running" in state and not container.get("started"):
            return {"reason": "PodInitializing", "message": f"the init container {name} runs"}
    return None


def _failed_init(spec: Json, status: Json) -> tuple[str, int] | None:
    """Return the init container that failed; the kubelet stops sidecars, with any exit code."""
    containers = spec.get("initContainers") or ()
    sidecars = {one["name"] for one in containers if one.get("restartPolicy") == "Always"}
    for container in status.get("initContainerStatuses") or ():
        if container["name"] in sidecars:
            continue
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return container["name"], int(ended["exitCode"])
    return None


def _others_running(status: Json) -> tuple[str, ...]:
    return tuple(
        container["name"]
        for container in status.get("containerStatuses") or ()
        if container.get("name") != CONTAINER and "terminated" not in (container.get("state") or {})
    )


def _others_failed(status: Json) -> tuple[str, ...]:
    return tuple(
        container["name"]
        for container in status.get("containerStatuses") or ()
        if container.get("name") != CONTAINER
        and ((container.get("state") or {}).get("terminated") or {}).get("exitCode")
    )


def _claims(spec: Json) -> tuple[str, ...]:
    volumes = spec.get("volumes") or ()
    sources = (volume.get("persistentVolumeClaim") for volume in volumes)
    return tuple(sorted({source["claimName"] for source in sources if source}))


def _termination(terminated: Json | None) -> Termination | None:
    if not terminated:
        return None
    times = [terminated.get(name) for name in ("startedAt", "finishedAt")]
    started, finished = (_time(time) for time in times)
    return Termination(
        exit_code=int(terminated.get("exitCode", 0)),
        reason=terminated.get("reason", ""),
        message=terminated.get("message", ""),
        started=started,
        finished=finished,
    )
