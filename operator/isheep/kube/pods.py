"""What pods say of themselves: why they do not run, and how they ended. Pure tables.

Nothing that is told here ever ends a Job: a missing Secret may be created, an image
pushed, a node added, and then the kubelet goes on by itself. The run is shown as
Stalled with the reason meanwhile. Two causes stand in no pod: why a Job's pods cannot
be created, and why a volume cannot be mounted. Only Events tell them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import StageResult, parse_result
from isheep.kube.names import CONTAINER
from isheep.kube.records import Json, timestamp
from isheep.planner.types import Waiting

TAIL_CHARACTERS = 600
KILLED = 137
NAMESPACE_TERMINATING = "NamespaceTerminating"
FINAL_CODES = (ExitCode.BAD_INPUT, ExitCode.DEFECT, ExitCode.DEVICE_MEMORY)
"""Codes that end a Job at once; of several pods' ends, such a one tells why."""
PEER_UNREACHABLE = "PeerUnreachable"
"""What a worker says that has lost another one of its training: that one tells why."""


@dataclass(frozen=True, slots=True)
class Termination:
    """How a pod's worker ended."""

    exit_code: int
    reason: str
    message: str
    started: datetime | None
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod of a Job, as far as it is looked at."""

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
        """Whether it has ended."""
        return self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An Event about a Job or a pod."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How the pods of a finished Job ended, the telling one first."""

    results: tuple[StageResult, ...] = ()
    exit_code: int | None = None
    pod: str | None = None
    message: str | None = None
    disrupted: bool = False


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


# --- why a pod does not run -------------------------------------------------------------

_NOT_FOUND: tuple[tuple[str, str], ...] = (
    (r'persistentvolumeclaim "[^"]*" (not found|is being deleted)', "VolumeNotFound"),
    (r'secret "[^"]*" not found', "SecretNotFound"),
    (r"couldn't find key \S+ in Secret", "SecretNotFound"),
    (r"references non-existent secret key", "SecretNotFound"),
    (r'configmap "[^"]*" not found', "ConfigMapNotFound"),
    (r"couldn't find key \S+ in ConfigMap", "ConfigMapNotFound"),
    (r"references non-existent config key", "ConfigMapNotFound"),
    (r'serviceaccount "[^"]*" not found', "ServiceAccountNotFound"),
    (r"no PriorityClass with name", "PriorityClassNotFound"),
    (r'RuntimeClass "[^"]*" not found', "RuntimeClassNotFound"),
    (r"exceeded quota|failed quota", "QuotaExceeded"),
    (r"violates PodSecurity", "PodSecurityViolated"),
    (r"usage per (Container|Pod)|limit to request ratio per (Container|Pod)", "LimitRangeViolated"),
)
"""What messages of the scheduler, kubelet and Job controller name, and what it is called."""

_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_NOT_CREATED = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}
)
_CREATION_TROUBLES = {
    "FailedMount": "VolumeNotMounted",
    "FailedAttachVolume": "VolumeNotMounted",
    "FailedMapVolume": "VolumeNotMounted",
    "FailedCreatePodSandBox": "ContainerNotStarted",
}
"""Reasons of Events about a pod whose container is being created, and what they are called."""
_CREATION_STEPS = ("Pulling", "Pulled", "Created", "Started")
"""Reasons of Events that say that an earlier trouble is over."""
_REMEDIES = {
    "SecretNotFound": "create it in the run's namespace, with the keys that the spec's field says",
    "ConfigMapNotFound": "create it in the run's namespace, or correct its name in the spec",
    "ServiceAccountNotFound": "create it, or correct spec.serviceAccountName",
    "VolumeNotFound": "create the claim in the run's namespace, or correct its name in the spec",
    "PriorityClassNotFound": "correct priorityClassName of the pool in spec.compute",
    "RuntimeClassNotFound": "correct runtimeClassName of the pool in spec.compute",
    "QuotaExceeded": "raise the quota, or lower resources or parallelism in spec.compute",
    "PodSecurityViolated": "allow restricted pods in the run's namespace",
    "ImagePullFailed": "push the image, or correct image or imagePullSecrets in spec.compute",
    "Unschedulable": "no node fits now; correct resources or placement in spec.compute if none "
    "ever will",
}


def why_waiting(pods: Iterable[PodRecord], events: Sequence[EventRecord]) -> Waiting | None:
    """Return why pods that should run do not, by the first of them that tells.

    `events` are those of pods that are being created, latest first.
    """
    found = []
    for pod in sorted(pods, key=lambda p: (p.index, p.name)):
        if pod.over or pod.deleting or pod.running_since is not None:
            continue
        why = _of_pod(pod, events)
        found += [why] if why is not None else []
    return next((why for why in found if why.stalled), found[0] if found else None)


def why_no_pods(events: Sequence[EventRecord]) -> Waiting | None:
    """Return why a Job has no pods, by its Events, latest first."""
    told = next((e for e in events if e.reason in ("FailedCreate", "SuccessfulCreate")), None)
    if told is None or told.reason != "FailedCreate":
        return None
    return _stalled(_named(told.message, "PodsNotCreated"), told.message)


def _of_pod(pod: PodRecord, events: Sequence[EventRecord]) -> Waiting | None:
    if pod.unschedulable is not None:
        return _unscheduled(pod.name, *pod.unschedulable)
    if pod.waiting is None:
        return None
    reason, message = pod.waiting
    if reason in _IMAGE:
        return _stalled("ImagePullFailed", message or reason)
    if reason in _NOT_CREATED:
        return _stalled(_named(message, "ContainerNotStarted"), message or reason)
    told = next((e for e in events if e.reason in {*_CREATION_TROUBLES, *_CREATION_STEPS}), None)
    if told is None or told.reason in _CREATION_STEPS:
        return Waiting("Starting", f"{pod.name}: {reason}", stalled=False)
    return _stalled(_named(told.message, _CREATION_TROUBLES[told.reason]), told.message)


def _unscheduled(pod: str, reason: str, message: str) -> Waiting:
    if reason == "SchedulingGated":
        return Waiting("Queued", f"{pod} is held back by a scheduling gate", stalled=False)
    return _stalled(_named(message, "Unschedulable"), message)


def _named(message: str, otherwise: str) -> str:
    for pattern, reason in _NOT_FOUND:
        if re.search(pattern, message):
            return reason
    return otherwise


def _stalled(reason: str, message: str) -> Waiting:
    remedy = _REMEDIES.get(reason)
    text = " ".join(message.split())[:TAIL_CHARACTERS]
    return Waiting(reason, f"{text} ({remedy})" if remedy else text, stalled=True)


# --- how pods ended ---------------------------------------------------------------------


def how_ended(pods: Sequence[PodRecord]) -> Ending:
    """Return what the pods of a finished Job left, and which of their ends tells most."""
    over = [pod for pod in pods if pod.over and pod.termination is not None]
    read = {pod.uid: parse_result(pod.termination.message) for pod in over if pod.termination}
    results = tuple(result for result in read.values() if result is not None)
    told = _telling(pods, read)
    if told is None:
        return Ending(results=results)
    result = read.get(told.uid)
    end = told.termination
    code = None if end is None else end.exit_code
    message = result.message if result is not None else None
    return Ending(
        results=results,
        exit_code=code or None,
        pod=told.name,
        message=message or _death(told),
        disrupted=told.disrupted,
    )


def _telling(pods: Sequence[PodRecord], read: Mapping[str, StageResult | None]) -> PodRecord | None:
    """Return the pod that failed for good, or last; one that others' end has ended if need be."""
    failed = [pod for pod in pods if pod.phase == "Failed"]
    if not failed:
        return None

    def weight(pod: PodRecord) -> tuple[bool, bool, bool, float]:
        end = pod.termination
        final = end is not None and end.exit_code in FINAL_CODES
        last = end.finished.timestamp() if end is not None and end.finished else 0.0
        result = read.get(pod.uid)
        cause = result is None or result.reason != PEER_UNREACHABLE
        return final, cause, not pod.disrupted, last

    return max(failed, key=weight)


def _death(pod: PodRecord) -> str:
    """Return how a pod without a result ended, in words."""
    end = pod.termination
    if end is None:
        return f"{pod.name} failed: {pod.reason or 'its node was lost'} {pod.message}".strip()
    if end.reason == "OOMKilled":
        return (
            f"{pod.name} was killed at its memory limit (OOMKilled): raise "
            "resources.limits.memory of its pool in spec.compute"
        )
    tail = " ".join(end.message.split())[-TAIL_CHARACTERS:]
    what = f"{pod.name} ended with exit code {end.exit_code}"
    if end.exit_code == KILLED and not tail:
        return f"{what}: it was killed from outside"
    return f"{what}; its log ends: {tail}" if tail else what
