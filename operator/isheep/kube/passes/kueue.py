"""What Kueue says about a Job that it holds, and whether the Job is in the wrong queue.

Kueue suspends a Job and decides when it starts. The causes are not in the Job but in its Workload,
an object that Kueue creates for each Job. The operator reads the Workload of a suspended Job with a
label selector, and watches none. A cluster without Kueue has no such resource, which is an answer
too: nobody starts a Job with the label of a queue then.

The operator changes no Job. So a suspended Job whose run has another queue now is deleted, and the
next pass creates it again with the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.reasons import Reason
from isheep.kube.cache.records import JobRecord, timestamp
from isheep.kube.client import Api, ApiError, workloads_path
from isheep.planner.types import Waiting

API_VERSIONS = ("v1beta2", "v1beta1")
"""The versions of Kueue's API, the newest first; the fields that are read are the same."""
JOB_UID_LABEL = "kueue.x-k8s.io/job-uid"
WORKLOAD_GRACE = timedelta(seconds=30)
"""How long Kueue may take to create the Workload of a Job."""
MESSAGE_CHARACTERS = 600
OWN_CONTROLLER = "kubernetes.io/job-controller"
"""`spec.managedBy` of a Job whose pods the cluster's own Job controller creates, as without it."""
_NO_LOCAL_QUEUE = re.compile(r"LocalQueue \S* ?(doesn't exist|is terminating or missing)")
_NEVER_FITS = re.compile(
    "maximum capacity|unavailable in ClusterQueue|flavor \\S+ not found|untolerated taint"
    "|doesn't match node affinity|(does not support|supports only) TopologyAwareScheduling"
    "|does not contain the requested level|no requested topology level|does not provide resource"
    "|doesn't match ClusterQueue selector|resources validation failed|LimitRange constraints"
    "|ClusterQueue \\S+ (not found|is inactive)"
)
"""What Kueue's scheduler says, with the reason Pending, if no free quota will admit the Job."""
_FITS_LATER = re.compile("insufficient unused quota|to fit (only|any)")
"""What a message contains for a flavor of the quota into which the Job fits later."""
_VARYING = re.compile(r", \S+ more needed")
"""How much is missing changes with each other Job, and a status must not be written each time."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a Workload."""

    holds: bool
    reason: str
    message: str


NO_CONDITION = Condition(holds=False, reason="", message="")


@dataclass(frozen=True, slots=True)
class WorkloadRecord:
    """The Workload of a Job. `checks` has the admission checks that are not ready, as text."""

    created: datetime
    active: bool = True
    queue: str = ""
    cluster: str | None = None
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    checks: tuple[str, ...] = ()

    def condition(self, kind: str) -> Condition:
        """Return a condition; one that is absent does not hold."""
        return self.conditions.get(kind, NO_CONDITION)


def workload_record(document: Mapping[str, Any]) -> WorkloadRecord:
    """Return the record of a Workload's JSON."""
    spec, status = document.get("spec") or {}, document.get("status") or {}
    return WorkloadRecord(
        created=timestamp(document["metadata"]["creationTimestamp"]),
        active=spec.get("active") is not False,
        queue=spec.get("queueName") or "",
        cluster=status.get("clusterName"),
        conditions={
            c["type"]: Condition(
                c.get("status") == "True", c.get("reason") or "", c.get("message") or ""
            )
            for c in status.get("conditions") or ()
        },
        checks=tuple(
            f"{c.get('name')} is {c.get('state')}: {c.get('message') or ''}".removesuffix(": ")
            for c in status.get("admissionChecks") or ()
            if c.get("state") != "Ready"
        ),
    )


async def read_workload(api: Api, job: JobRecord) -> WorkloadRecord | None:
    """Return the newest Workload of a Job, or None if it has none or Kueue is not installed.

    Raises:
        ApiError: The operator has no right to read Workloads, or another error.
        ApiUnreachableError: The API server does not answer.
    """
    for version in API_VERSIONS:
        path = workloads_path(job.namespace, version)
        try:
            listing = await api.list(path, labels=f"{JOB_UID_LABEL}={job.uid}")
        except ApiError as error:
            if error.status != 404:
                raise
            continue
        found = [workload_record(item) for item in listing.items if not _is_deleting(item)]
        return max(found, key=lambda one: one.created, default=None)
    return None


async def inspect_queue(api: Api, job: JobRecord, now: datetime) -> Waiting:
    """Return why a suspended Job does not start; raises `ApiError` and `ApiUnreachableError`."""
    try:
        workload = await read_workload(api, job)
    except ApiError as error:
        if error.status != 403:
            raise
        return _suspended(job) if not job.queued else _queued(job, "its Workload cannot be read")
    return why_queued(job, workload, now)


def not_inspected(job: JobRecord) -> Waiting:
    """Return the state of a suspended Job before the first inspection."""
    if job.queued:
        return _queued(job, "")
    text = f"the Job {job.name} is suspended, and the operator has not read the cause yet"
    return Waiting(Reason.QUEUED, text, stalled=False)


def why_queued(job: JobRecord, workload: WorkloadRecord | None, now: datetime) -> Waiting:
    """Return why a suspended Job does not start, from its Workload or the absence of one."""
    if workload is None:
        return _without_workload(job, now)
    blocked = _blocked(workload)
    if blocked is not None:
        return _stalled(blocked[0], job, blocked[1])
    reserved, evicted = workload.condition("QuotaReserved"), workload.condition("Evicted")
    if reserved.holds:
        return _queued(job, ", ".join(f"the admission check {one}" for one in workload.checks))
    # Some reasons of Kueue have the name of our reason for them.
    if evicted.holds and evicted.reason == Reason.PREEMPTED:
        text = f"Kueue has preempted the Job {job.name} and admits it again: {evicted.message}"
        return Waiting(Reason.PREEMPTED, _cut(text), stalled=False)
    return _queued(job, evicted.message if evicted.holds else reserved.message)


def _blocked(workload: WorkloadRecord) -> tuple[Reason, str] | None:
    """Return the reason and Kueue's message if a person must act, or None."""
    reserved = workload.condition("QuotaReserved")
    if not workload.active:
        message = workload.condition("Evicted").message
        return Reason.WORKLOAD_DEACTIVATED, message or "its Workload is not active"
    if workload.cluster is not None:
        return Reason.JOB_IN_OTHER_CLUSTER, f"its pods run in the cluster {workload.cluster}"
    return None if reserved.holds else _inadmissible(workload, reserved)


def _inadmissible(workload: WorkloadRecord, reserved: Condition) -> tuple[Reason, str] | None:
    if not workload.queue:
        return Reason.LOCAL_QUEUE_NOT_FOUND, "Kueue manages it, and its run names no queue"
    if reserved.reason == Reason.INADMISSIBLE:
        missing = _NO_LOCAL_QUEUE.search(reserved.message)
        reason = Reason.LOCAL_QUEUE_NOT_FOUND if missing else Reason.INADMISSIBLE
        return reason, reserved.message
    if _NEVER_FITS.search(reserved.message) and not _FITS_LATER.search(reserved.message):
        return Reason.INADMISSIBLE, reserved.message
    return None


def why_elsewhere(job: JobRecord) -> Waiting | None:
    """Return that another controller than the cluster's own one manages a Job, or None."""
    if job.managed_by in (None, OWN_CONTROLLER):
        return None
    text = f"the controller {job.managed_by} creates its pods"
    return _stalled(Reason.JOB_IN_OTHER_CLUSTER, job, text)


def is_in_other_queue(job: JobRecord, wanted: Mapping[str, str]) -> bool:
    """Return whether a suspended Job was created with other labels for Kueue than `wanted`.

    Kueue adds labels to a Job, so the labels that the operator has asked for are in an annotation.
    A Job without the annotation only must have all labels that are wanted now: its run asked for
    none, or an older operator created it.
    """
    if not job.suspended or job.complete or job.failed or job.deleting:
        return False
    if job.asked_labels is None:
        return not wanted.items() <= job.kueue_labels.items()
    return dict(job.asked_labels) != dict(wanted)


def _without_workload(job: JobRecord, now: datetime) -> Waiting:
    if not job.queued:
        return _suspended(job)
    if now - job.created < WORKLOAD_GRACE:
        return _queued(job, "")
    return _stalled(Reason.WORKLOAD_MISSING, job, "Kueue has created no Workload for it")


def _suspended(job: JobRecord) -> Waiting:
    message = (
        f"somebody set spec.suspend of the Job {job.name}: unset it, or delete the Job. "
        "To suspend a run, set spec.suspend of the run"
    )
    return Waiting(Reason.JOB_SUSPENDED, message, stalled=True)


def _queued(job: JobRecord, why: str) -> Waiting:
    text = f"the Job {job.name} waits for Kueue to admit it"
    return Waiting(Reason.QUEUED, _cut(f"{text}: {why}" if why else text), stalled=False)


def _stalled(reason: Reason, job: JobRecord, why: str) -> Waiting:
    text = _cut(f"the Job {job.name}: {why}")
    return Waiting(reason, f"{text} ({EXPLANATIONS[reason].remedy})", stalled=True)


def _cut(text: str) -> str:
    return _VARYING.sub("", " ".join(text.split()))[:MESSAGE_CHARACTERS]


def _is_deleting(document: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in document["metadata"]
