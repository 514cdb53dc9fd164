"""Why pods do not run. A pure table from the status of pods, and from Events, to reasons.

None of these causes ends a Job. When somebody creates a missing Secret, pushes an image or adds a
node, the kubelet continues without help. Until then the run is Stalled with the reason. Three
causes are not in the status of a pod but only in Events: why a Job cannot create pods, why a claim
of devices cannot be created, and why a volume cannot be mounted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.reasons import Reason
from isheep.kube.pods.pod_records import EventRecord, PodRecord
from isheep.planner.types import Waiting

MESSAGE_CHARACTERS = 600

_BY_MESSAGE: tuple[tuple[str, Reason], ...] = (
    (r'persistentvolumeclaim "[^"]*" (not found|is being deleted)', Reason.VOLUME_NOT_FOUND),
    (r'secret "[^"]*" not found', Reason.SECRET_NOT_FOUND),
    (r"couldn't find key \S+ in Secret", Reason.SECRET_NOT_FOUND),
    (r"references non-existent secret key", Reason.SECRET_NOT_FOUND),
    (r'configmap "[^"]*" not found', Reason.CONFIG_MAP_NOT_FOUND),
    (r"couldn't find key \S+ in ConfigMap", Reason.CONFIG_MAP_NOT_FOUND),
    (r"references non-existent config key", Reason.CONFIG_MAP_NOT_FOUND),
    (r'serviceaccount "[^"]*" not found', Reason.SERVICE_ACCOUNT_NOT_FOUND),
    (r"Multi-Attach error|ReadWriteOncePod", Reason.VOLUME_IN_USE),
    (r"no PriorityClass with name", Reason.PRIORITY_CLASS_NOT_FOUND),
    (r'RuntimeClass "[^"]*" not found', Reason.RUNTIME_CLASS_NOT_FOUND),
    (r"exceeded quota|failed quota", Reason.QUOTA_EXCEEDED),
    (r"failed calling webhook", Reason.WEBHOOK_FAILED),
    (r"violates PodSecurity", Reason.POD_SECURITY_VIOLATED),
    (
        r"usage per (Container|Pod)|limit to request ratio per (Container|Pod)",
        Reason.LIMIT_RANGE_VIOLATED,
    ),
)
"""Patterns in messages of scheduler, kubelet and Job controller, with their reasons."""

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
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        # Only an init container starts again after its end.
        "CrashLoopBackOff",
    }
)
_CREATION_PROBLEMS = {
    "FailedMount": Reason.VOLUME_NOT_MOUNTED,
    "FailedAttachVolume": Reason.VOLUME_NOT_MOUNTED,
    "FailedMapVolume": Reason.VOLUME_NOT_MOUNTED,
    "FailedCreatePodSandBox": Reason.CONTAINER_NOT_STARTED,
}
"""Reasons of Events about a container that is being created, with our reasons."""
CLAIM_NOT_CREATED = "FailedResourceClaimCreation"
"""The reason of the Event about a pod whose claim of devices cannot be created."""
_CREATION_STEPS = ("Pulling", "Pulled", "Created", "Started")
"""Reasons of Events after which an earlier problem is over."""


def why_waiting(pods: Iterable[PodRecord], events: Sequence[EventRecord]) -> Waiting | None:
    """Return why pods that should run do not run; a cause that needs a person comes first.

    Args:
        pods: The pods of a Job.
        events: The Events of a pod whose container is being created, the latest first.
    """
    found = []
    for pod in sorted(pods, key=lambda p: (p.index, p.name)):
        if pod.over or pod.deleting or pod.running_since is not None:
            continue
        cause = _of_pod(pod, events)
        found += [cause] if cause is not None else []
    return next((one for one in found if one.stalled), found[0] if found else None)


def only_sidecars(pods: Sequence[PodRecord], parallelism: int) -> Waiting | None:
    """Return that only other containers of the pods go on, if all workers of a Job have ended."""
    live = [pod for pod in pods if not pod.over and not pod.deleting]
    ended = {pod.index for pod in pods if pod.lingers or pod.phase == "Succeeded"}
    names = sorted({name for pod in live for name in pod.others_running})
    if not names or not all(pod.lingers for pod in live) or len(ended) < parallelism:
        return None
    remedy = EXPLANATIONS[Reason.SIDECAR_RUNNING].remedy
    text = (
        f"the worker has ended, and the container {', '.join(names)} of its pod goes on; the Job "
        f"is deleted after a minute, and its result is used ({remedy})"
    )
    return Waiting(Reason.SIDECAR_RUNNING, text, stalled=False)


def why_no_pods(events: Sequence[EventRecord]) -> Waiting | None:
    """Return why a Job has no pods, from its Events, the latest first."""
    latest = next((e for e in events if e.reason in ("FailedCreate", "SuccessfulCreate")), None)
    if latest is None or latest.reason != "FailedCreate":
        return None
    return _stalled(_reason_in(latest.message, Reason.PODS_NOT_CREATED), latest.message)


def _of_pod(pod: PodRecord, events: Sequence[EventRecord]) -> Waiting | None:
    if pod.unschedulable is not None:
        return _unscheduled(pod, *pod.unschedulable)
    if pod.waiting is None:
        return _ignored(pod, events)
    reason, message = pod.waiting
    if reason in _IMAGE:
        return _stalled(Reason.IMAGE_PULL_FAILED, message or reason)
    if reason in _NOT_CREATED:
        return _stalled(_reason_in(message, Reason.CONTAINER_NOT_STARTED), message or reason)
    latest = next((e for e in events if e.reason in {*_CREATION_PROBLEMS, *_CREATION_STEPS}), None)
    if latest is None or latest.reason in _CREATION_STEPS:
        return Waiting(Reason.STARTING, f"{pod.name}: {message or reason}", stalled=False)
    text = _with_claims(latest.message, pod)
    return _stalled(_reason_in(latest.message, _CREATION_PROBLEMS[latest.reason]), text)


def _ignored(pod: PodRecord, events: Sequence[EventRecord]) -> Waiting | None:
    """Return why the scheduler does not look at a pod."""
    latest = next((e for e in events if e.reason == CLAIM_NOT_CREATED), None)
    if latest is None or pod.node is not None:
        return None
    return _stalled(Reason.RESOURCE_CLAIM_NOT_CREATED, latest.message)


def _unscheduled(pod: PodRecord, reason: str, message: str) -> Waiting:
    if reason == "SchedulingGated":
        gates = ", ".join(pod.gates)
        text = f"the scheduling gate {gates} delays {pod.name} until its owner removes it"
        return Waiting(Reason.QUEUED, text[:MESSAGE_CHARACTERS], stalled=False)
    return _stalled(_reason_in(message, Reason.UNSCHEDULABLE), _with_claims(message, pod))


def _with_claims(message: str, pod: PodRecord) -> str:
    """Return a message about volumes with the claims of the pod, which Kubernetes does not name."""
    if not pod.claims or not re.search("[Vv]olume|ReadWriteOncePod", message):
        return message
    return f"claim {', '.join(pod.claims)}: {message}"


def _reason_in(message: str, otherwise: Reason) -> Reason:
    for pattern, reason in _BY_MESSAGE:
        if re.search(pattern, message):
            return reason
    return otherwise


def _stalled(reason: Reason, message: str) -> Waiting:
    remedy = EXPLANATIONS[reason].remedy
    text = " ".join(message.split())[:MESSAGE_CHARACTERS]
    return Waiting(reason, f"{text} ({remedy})" if remedy else text, stalled=True)
