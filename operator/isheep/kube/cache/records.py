"""Slim records of runs and Jobs: only the fields that a pass needs.

The operator keeps a thousand runs in memory, so a spec and a status stay compact bytes until a
pass reads them. A run that rests needs no pass, so its record has a digest of both instead. The
record of a large run has a digest, too, and only the parts that the passes of other runs need; its
own pass reads it again. So a user with many large runs does not use up the memory of the operator.
Each object's JSON is read here, once.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from isheep.api.run import MANAGER, RETRY_ANNOTATION
from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.gpu_resources import gpus_by_resource, gpus_of_claims
from isheep.contract.labels import RUN_LABEL
from isheep.kube.cache.bounds import annotation, attempt_number, grace_seconds, kueue_labels
from isheep.kube.cache.partial_runs import partial_spec, partial_status
from isheep.kube.names import (
    ATTEMPT_LABEL,
    AVOIDED_NODES_ANNOTATION,
    KUEUE_LABELS_ANNOTATION,
    KUEUE_QUEUE_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    RUN_UID_LABEL,
    STEPS_ANNOTATION,
    WALK_ANNOTATION,
    read_labels,
    read_walk,
)
from isheep.kube.observability.run_figures import (
    GpuFigures,
    RunFigures,
    StateFigures,
    gpu_figures,
    run_figures,
    state_figures,
)
from isheep.planner.expiry import FIELD as TTL_FIELD
from isheep.planner.expiry import expires_at, tracked_by
from isheep.planner.restart import RETRY_CHARACTERS
from isheep.planner.types import JobWalk, RunView, StageRef

Json = Mapping[str, Any]
RESTING_PHASES = ("Succeeded", "Failed", "Suspended")
MOST_STEPS = 64
"""The largest number of steps of a Job; the operator's own Jobs have fewer."""
LARGE_BYTES = 64 * 1024
"""Spec and status of a run together; a run with the defaults has a tenth of it."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, in the last version from the API server.

    A run `rests` if it has ended or is suspended, and nobody asks for more. `spec` and `status` of
    its record are empty, unless a pass has read the run; `digest` changes with them. The record of
    a large run is `partial`: it has only what other runs need (`partial_runs`). A run that has
    ended may be deleted at `expires`, unless a tool tracks it (`expiry`).
    """

    namespace: str
    name: str
    uid: str
    resource_version: int
    generation: int
    created: datetime
    deleting: bool
    phase: str
    spec: bytes
    status: bytes
    retry: str | None = None
    kueue_labels: Mapping[str, str] = field(default_factory=dict)
    figures: RunFigures | None = None
    gpu_figures: GpuFigures | None = None
    state: StateFigures = field(default_factory=StateFigures)
    rests: bool = False
    digest: str = ""
    partial: bool = False
    expires: datetime | None = None
    tracked_by: str | None = None

    @property
    def asked(self) -> tuple[object, ...]:
        """What a person has asked for: the spec, the retry annotation, the queue, the deletion."""
        return self.generation, self.retry, self.deleting, self.kueue_labels

    def kept(self) -> RunRecord:
        """Return the record as the cache keeps it."""
        if self.rests:
            return replace(self, spec=b"", status=b"")
        return self if not self.digest or self.partial else _partial(self)

    def view(self) -> RunView:
        """Return the run for the planner; raises `ValidationError` if its status is not ours."""
        return RunView(
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
            generation=self.generation,
            created=self.created,
            spec=json.loads(self.spec),
            status=SelfAlignmentRunStatus.read_stored(json.loads(self.status)),
            annotations={} if self.retry is None else {RETRY_ANNOTATION: self.retry},
            deleting=self.deleting,
            tracked_by=self.tracked_by,
        )


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A Job of the operator.

    `together` is True if its pods train together. `walk` is set if they may continue after `steps`.
    `kueue_labels` are its labels for Kueue, and `asked_labels` those that its run asked for when it
    was created. `managed_by` is the controller that creates its pods, None for the usual one.
    `gpus` are the GPUs of each pod by resource. `deleted_at` is when its deletion began, and
    `grace_seconds` how long its pods may take to end.
    """

    namespace: str
    name: str
    uid: str
    resource_version: int
    run: str
    run_uid: str
    steps: tuple[StageRef, ...]
    number: int
    managed: bool
    parallelism: int
    created: datetime
    walk: JobWalk | None = None
    together: bool = False
    deleting: bool = False
    suspended: bool = False
    queued: bool = False
    kueue_labels: Mapping[str, str] = field(default_factory=dict)
    asked_labels: Mapping[str, str] | None = None
    managed_by: str | None = None
    active: int = 0
    ready: int = 0
    failed_pods: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    complete: bool = False
    failed: bool = False
    message: str = ""
    gpus: Mapping[str, int] = field(default_factory=dict)
    deleted_at: datetime | None = None
    grace_seconds: int = 0
    labelled: bool = True
    avoided_nodes: tuple[str, ...] = ()

    @property
    def readable(self) -> bool:
        """Return whether the labels and annotations are valid; somebody may have edited them."""
        return self.managed and bool(self.steps) and self.number > 0


def run_record(document: Json, *, whole: bool = False) -> RunRecord:
    """Return the record of a run's JSON; with `whole`, it always has spec and status."""
    record = _whole_record(document)
    return record if whole else record.kept()


def _partial(record: RunRecord) -> RunRecord:
    """Return the record of a large run without what only its own passes need."""
    spec = _compact(partial_spec(json.loads(record.spec)))
    status = _compact(partial_status(json.loads(record.status)))
    return replace(record, spec=spec, status=status, partial=True)


def _whole_record(document: Json) -> RunRecord:
    metadata = document["metadata"]
    spec, status = (_compact(document.get(name) or {}) for name in ("spec", "status"))
    rests = _rests(document)
    slim = rests or len(spec) + len(status) > LARGE_BYTES
    digest = hashlib.sha256(spec + status).hexdigest() if slim else ""
    labels: Mapping[str, str] = metadata.get("labels") or {}
    return RunRecord(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        generation=int(metadata.get("generation", 0)),
        created=timestamp(metadata["creationTimestamp"]),
        deleting="deletionTimestamp" in metadata,
        phase=(document.get("status") or {}).get("phase") or "Pending",
        spec=spec,
        status=status,
        retry=_retry(metadata),
        kueue_labels=kueue_labels(labels),
        figures=run_figures(document.get("status") or {}),
        gpu_figures=gpu_figures(document.get("status") or {}),
        state=state_figures(document.get("status") or {}),
        rests=rests,
        digest=digest,
        expires=_expires(document),
        tracked_by=tracked_by(labels, metadata.get("annotations") or {}),
    )


def _expires(document: Json) -> datetime | None:
    completed = (document.get("status") or {}).get("completionTime")
    seconds = (document.get("spec") or {}).get(TTL_FIELD)
    return expires_at(seconds, timestamp(completed) if completed else None)


def our_run(document: Json) -> RunRecord | None:
    """Return the record of a run's JSON, or None if another manager executes the run."""
    manager = (document.get("spec") or {}).get("managedBy")
    return run_record(document) if manager in (None, MANAGER) else None


def _retry(metadata: Json) -> str | None:
    """Return the part of the retry annotation that counts; an annotation may have 256 KiB."""
    asked = (metadata.get("annotations") or {}).get(RETRY_ANNOTATION)
    return None if asked is None else str(asked)[:RETRY_CHARACTERS]


def _rests(document: Json) -> bool:
    metadata, status = document["metadata"], document.get("status") or {}
    asked = _retry(metadata)
    return (
        status.get("phase") in RESTING_PHASES
        and status.get("observedGeneration") == metadata.get("generation")
        and (not asked or asked == status.get("lastHandledRetry"))
        and "deletionTimestamp" not in metadata
        and not _charges(status)
    )


def _charges(status: Json) -> bool:
    """Return whether the pods of a run that has ended or is suspended still hold GPUs."""
    attempts = (status.get("gpu") or {}).get("attempts") or ()
    return any(not attempt.get("ended") for attempt in attempts)


def job_record(document: Json) -> JobRecord:
    """Return the record of a Job's JSON.

    The labels of its pods say what it is, because nobody can change them. The labels of the Job
    itself are the same at first, and somebody may have edited them.
    """
    metadata, spec = document["metadata"], document.get("spec") or {}
    status = document.get("status") or {}
    shown: Mapping[str, str] = metadata.get("labels") or {}
    template = spec.get("template") or {}
    labels = {**shown, **((template.get("metadata") or {}).get("labels") or {})}
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    ends = {
        c["type"]: c
        for c in status.get("conditions") or ()
        if c.get("status") == "True" and c["type"] in ("Complete", "Failed")
    }
    end = ends.get("Complete") or ends.get("Failed")
    finished = status.get("completionTime") or (end or {}).get("lastTransitionTime")
    deleted_at = metadata.get("deletionTimestamp")
    pod = template.get("spec") or {}
    return JobRecord(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        run=labels.get(RUN_LABEL, ""),
        run_uid=labels.get(RUN_UID_LABEL, ""),
        steps=_steps(annotation(annotations, STEPS_ANNOTATION)),
        number=attempt_number(labels.get(ATTEMPT_LABEL)),
        managed=labels.get(MANAGED_BY_LABEL) == MANAGED_BY,
        parallelism=int(spec.get("parallelism") or 0),
        created=timestamp(metadata["creationTimestamp"]),
        walk=read_walk(annotation(annotations, WALK_ANNOTATION)),
        together=spec.get("backoffLimit") == 0,
        deleting="deletionTimestamp" in metadata,
        suspended=bool(spec.get("suspend")),
        queued=KUEUE_QUEUE_LABEL in shown,
        kueue_labels=kueue_labels(shown),
        asked_labels=read_labels(annotation(annotations, KUEUE_LABELS_ANNOTATION)),
        managed_by=spec.get("managedBy"),
        active=int(status.get("active") or 0),
        ready=int(status.get("ready") or 0),
        failed_pods=int(status.get("failed") or 0),
        started=_started(spec, status, ended=end is not None),
        finished=timestamp(finished) if end is not None and finished else None,
        complete="Complete" in ends,
        failed="Failed" in ends,
        message=(ends.get("Failed") or {}).get("message", ""),
        gpus=_gpus(pod),
        deleted_at=timestamp(deleted_at) if deleted_at else None,
        grace_seconds=grace_seconds(pod),
        labelled=shown.get(MANAGED_BY_LABEL) == MANAGED_BY,
        avoided_nodes=_nodes(annotation(annotations, AVOIDED_NODES_ANNOTATION)),
    )


def _started(spec: Json, status: Json, *, ended: bool) -> datetime | None:
    """Return when the pods of a Job could start; None while it is suspended.

    Before version 1.36, Kubernetes keeps the time of the pods that the suspension has stopped.
    """
    if not status.get("startTime") or (spec.get("suspend") and not ended):
        return None
    return timestamp(status["startTime"])


def _gpus(pod: Json) -> dict[str, int]:
    """Return the GPUs of all containers of a pod by resource."""
    found: Counter[str] = Counter()
    for container in pod.get("containers") or ():
        found.update(gpus_by_resource((container.get("resources") or {}).get("limits") or {}))
    claims = (claim.get("resourceClaimTemplateName") for claim in pod.get("resourceClaims") or ())
    found.update(gpus_of_claims(name for name in claims if name))
    return dict(found)


def timestamp(text: str) -> datetime:
    """Return a time of the API server; a time without a zone is UTC."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def _steps(annotation: str | None) -> tuple[StageRef, ...]:
    """Return the steps of the annotation, or none if somebody wrote something else into it."""
    try:
        steps = [(step["id"], step["key"]) for step in json.loads(annotation or "[]")]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()
    texts = all(isinstance(text, str) for step in steps for text in step)
    return tuple(StageRef(*step) for step in steps) if texts and len(steps) <= MOST_STEPS else ()


def _nodes(text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, (text or "").split(",")))


def _compact(value: Any) -> bytes:
    # Every write of a status needs this, and json takes four times as long.
    return to_json(value, inf_nan_mode="constants")
