"""Slim records of runs and Jobs: only the fields that a pass needs.

The operator keeps a thousand runs in memory, so a spec and a status stay compact bytes until a
pass reads them. A run that rests needs no pass, so its record has a digest of both instead. Each
object's JSON is read here, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from isheep.api.run import RETRY_ANNOTATION
from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.labels import RUN_LABEL
from isheep.kube.names import (
    ATTEMPT_LABEL,
    KUEUE_PREFIX,
    KUEUE_QUEUE_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    RUN_UID_LABEL,
    STEPS_ANNOTATION,
    WALK_ANNOTATION,
    read_walk,
)
from isheep.kube.run_figures import RunFigures, run_figures
from isheep.planner.restart import RETRY_CHARACTERS
from isheep.planner.types import JobWalk, RunView, StageRef

Json = Mapping[str, Any]
RESTING_PHASES = ("Succeeded", "Failed", "Suspended")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, in the last version from the API server.

    A run `rests` if it has ended or is suspended, and nobody asks for more. `spec` and `status` of
    its record are empty, unless a pass has read the run; `digest` changes with them.
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
    rests: bool = False
    digest: str = ""

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
        )


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A Job of the operator.

    `together` is True if its pods train together. `walk` is set if they may continue after `steps`.
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
    active: int = 0
    ready: int = 0
    failed_pods: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    complete: bool = False
    failed: bool = False
    message: str = ""

    @property
    def readable(self) -> bool:
        """Return whether the labels and annotations are valid; somebody may have edited them."""
        return self.managed and bool(self.steps) and self.number > 0


def run_record(document: Json, *, whole: bool = False) -> RunRecord:
    """Return the record of a run's JSON; with `whole`, a run that rests keeps spec and status."""
    metadata = document["metadata"]
    spec, status = (_compact(document.get(name) or {}) for name in ("spec", "status"))
    rests = _rests(document)
    digest = hashlib.sha256(spec + status).hexdigest() if rests else ""
    if rests and not whole:
        spec = status = b""
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
        retry=(metadata.get("annotations") or {}).get(RETRY_ANNOTATION),
        kueue_labels={k: v for k, v in labels.items() if k.startswith(KUEUE_PREFIX)},
        figures=run_figures(document.get("status") or {}),
        rests=rests,
        digest=digest,
    )


def _rests(document: Json) -> bool:
    metadata, status = document["metadata"], document.get("status") or {}
    asked = (metadata.get("annotations") or {}).get(RETRY_ANNOTATION)
    return (
        status.get("phase") in RESTING_PHASES
        and status.get("observedGeneration") == metadata.get("generation")
        and (not asked or asked[:RETRY_CHARACTERS] == status.get("lastHandledRetry"))
        and "deletionTimestamp" not in metadata
    )


def is_edited(before: RunRecord, after: RunRecord) -> bool:
    """Return whether a person changed a run: its spec, its retry annotation, or its existence."""

    def asked(run: RunRecord) -> tuple[object, ...]:
        return run.generation, run.retry, run.deleting

    return asked(before) != asked(after)


def job_record(document: Json) -> JobRecord:
    """Return the record of a Job's JSON."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    status = document.get("status") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    ends = {
        c["type"]: c
        for c in status.get("conditions") or ()
        if c.get("status") == "True" and c["type"] in ("Complete", "Failed")
    }
    end = ends.get("Complete") or ends.get("Failed")
    finished = status.get("completionTime") or (end or {}).get("lastTransitionTime")
    return JobRecord(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        run=labels.get(RUN_LABEL, ""),
        run_uid=labels.get(RUN_UID_LABEL, ""),
        steps=_steps(annotations.get(STEPS_ANNOTATION)),
        number=_number(labels.get(ATTEMPT_LABEL)),
        managed=labels.get(MANAGED_BY_LABEL) == MANAGED_BY,
        parallelism=int(spec.get("parallelism") or 0),
        created=timestamp(metadata["creationTimestamp"]),
        walk=read_walk(annotations.get(WALK_ANNOTATION)),
        together=spec.get("backoffLimit") == 0,
        deleting="deletionTimestamp" in metadata,
        suspended=bool(spec.get("suspend")),
        queued=KUEUE_QUEUE_LABEL in labels,
        active=int(status.get("active") or 0),
        ready=int(status.get("ready") or 0),
        failed_pods=int(status.get("failed") or 0),
        started=timestamp(status["startTime"]) if status.get("startTime") else None,
        finished=timestamp(finished) if end is not None and finished else None,
        complete="Complete" in ends,
        failed="Failed" in ends,
        message=(ends.get("Failed") or {}).get("message", ""),
    )


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
    return tuple(StageRef(*step) for step in steps) if texts else ()


def _number(label: str | None) -> int:
    return int(label) if label is not None and label.isdecimal() else 0


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
