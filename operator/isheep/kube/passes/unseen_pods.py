"""Pods that no component of the cluster has looked at yet. A pure function of their records.

The status of such a pod says nothing: its scheduler does not run or has another name, the kubelet
of its node has stopped before it accepted the pod, or no controller has created a pod at all. A
component that works looks at a pod within seconds. So the absence of any word is a cause if two
inspections find it, with a grace between them. The age of a pod decides nothing, because the clock
of the operator may be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.reasons import Reason
from isheep.kube.cache.records import JobRecord
from isheep.kube.passes.attempts import PodObservation
from isheep.kube.pods.pod_records import EventRecord, PodRecord
from isheep.planner.types import Waiting

GRACE = timedelta(seconds=20)
"""How long a component may take to look at a pod, between two inspections."""


@dataclass(frozen=True, slots=True)
class Unseen(Waiting):
    """A cause that counts after the grace only; `about` is the UID of the pod or of the Job."""

    about: str = ""


def why_unseen(pods: Iterable[PodRecord]) -> Unseen | None:
    """Return which component has not looked at a pod."""
    for pod in sorted(pods, key=lambda p: (p.index, p.name)):
        if pod.over or pod.deleting:
            continue
        if pod.node is None and not pod.considered:
            return _without_scheduler(pod)
        if pod.node is not None and pod.accepted is None and pod.phase == "Pending":
            return _not_accepted(pod)
    return None


def why_none(job: JobRecord, events: Sequence[EventRecord]) -> Unseen | None:
    """Return that a Job has never had a pod, although no Event says why.

    The controller of Jobs waits for minutes before it replaces a pod that somebody has deleted.
    """
    if job.failed_pods > 0 or any(e.reason == "SuccessfulCreate" for e in events):
        return None
    text = (
        f"the Job {job.name} has no pod, and no Event says why: check that the controller of Jobs "
        "runs (kube-controller-manager), or delete the Job, and the next attempt starts"
    )
    return Unseen(Reason.PODS_NOT_CREATED, text, stalled=True, about=job.uid)


def after_grace(observation: PodObservation, before: PodObservation | None) -> PodObservation:
    """Return the observation without a cause that an earlier inspection has not found as well.

    The inspections must be about the same pod: each new pod has the grace.
    """
    found = observation.waiting
    if not isinstance(found, Unseen):
        return observation
    known = None if before is None else before.unseen
    since = known[1] if known is not None and known[0] == found.about else observation.at
    waiting = found if observation.at - since >= GRACE else None
    return replace(observation, waiting=waiting, unseen=(found.about, since))


def _without_scheduler(pod: PodRecord) -> Unseen:
    text = (
        f'the scheduler "{pod.scheduler}" says nothing about the pod {pod.name}: it does not run, '
        "has another name, or keeps the pod in a queue of its own "
        f"({EXPLANATIONS[Reason.UNSCHEDULABLE].remedy})"
    )
    return Unseen(Reason.UNSCHEDULABLE, text, stalled=True, about=pod.uid)


def _not_accepted(pod: PodRecord) -> Unseen:
    text = (
        f"the node {pod.node} has not accepted the pod {pod.name}: if the node does not answer, "
        "Kubernetes removes the pod after some minutes, and the next attempt starts"
    )
    return Unseen(Reason.NODE_LOST, text, stalled=False, about=pod.uid)
