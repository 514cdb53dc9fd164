"""The names, labels and annotations of the objects that the operator creates.

The name of a Job contains the run's name and the stage for people, and a hash that makes it
unique. The hash covers the run's UID, the stage's id, its key and the attempt, so two Jobs with
the same name have the same order.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import get_args

from isheep.contract.choices import WalkGrouping
from isheep.planner.types import JobWalk

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "isheep-operator"
RUN_UID_LABEL = "isheep.dev/run-uid"
STAGE_LABEL = "isheep.dev/stage"
ITERATION_LABEL = "isheep.dev/iteration"
ROUND_LABEL = "isheep.dev/round"
ATTEMPT_LABEL = "isheep.dev/attempt"
POOL_LABEL = "isheep.dev/pool"

STEPS_ANNOTATION = "isheep.dev/steps"
"""The steps of a Job's order with their full keys, as JSON: `[{"id": …, "key": …}]`."""
WALK_ANNOTATION = "isheep.dev/walk"
"""The walk of a Job that continues after its first stage, as JSON."""
ORDER_ANNOTATION = "isheep.dev/order-sha256"
AVOIDED_NODES_ANNOTATION = "isheep.dev/avoided-nodes"
"""The lost nodes that the pods of a Job exclude, with commas between them."""

KUEUE_PREFIX = "kueue.x-k8s.io/"
"""Labels of a run with this prefix go to its Jobs."""
KUEUE_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""With this label, Kueue decides when a Job starts."""

KUEUE_LABELS_ANNOTATION = "isheep.dev/kueue-labels"
"""The labels for Kueue that a run asked for when its Job was created, as JSON."""

HTTP_PORT = 8080
"""The port on which a worker serves /progress and /metrics."""
RENDEZVOUS_PORT = 29400
"""The port on which the first node of a training waits for the other nodes."""

RUN_CHARACTERS = 28
STAGE_CHARACTERS = 10
HASH_CHARACTERS = 10


def job_name(run: str, run_uid: str, *, stage: str, key: str, attempt: int) -> str:
    """Return the name of a Job, at most 50 characters; `stage` is the id of its first step."""
    identity = f"{run_uid}\n{stage}\n{key}\n{attempt}".encode()
    digest = base64.b32encode(hashlib.sha256(identity).digest()).decode().lower()
    short = run[:RUN_CHARACTERS].rstrip("-.")
    kind = (stage.split("/")[1:] or [stage])[0]
    return f"{short}-{kind[:STAGE_CHARACTERS]}-{digest[:HASH_CHARACTERS]}"


def service_name(run: str, run_uid: str) -> str:
    """Return the name of a run's Service, which is part of its pods' DNS names."""
    digest = base64.b32encode(hashlib.sha256(run_uid.encode()).digest()).decode().lower()
    short = run[:RUN_CHARACTERS].rstrip("-.")
    return f"{short}-train-{digest[:HASH_CHARACTERS]}"


def dump_steps(steps: Iterable[tuple[str, str]]) -> str:
    """Return the value of the steps annotation, from pairs of id and key."""
    return json.dumps([{"id": i, "key": k} for i, k in steps], separators=(",", ":"))


def dump_walk(walk: JobWalk) -> str:
    """Return the value of the walk annotation."""
    return json.dumps(asdict(walk), separators=(",", ":"))


def dump_labels(labels: Mapping[str, str]) -> str:
    """Return the value of the annotation with a run's labels for Kueue."""
    return json.dumps(dict(sorted(labels.items())), separators=(",", ":"))


def read_labels(annotation: str | None) -> dict[str, str] | None:
    """Return the labels in an annotation, or None if it has none or somebody has edited it."""
    try:
        found = json.loads(annotation or "null")
    except (ValueError, RecursionError):
        return None
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else None


def read_walk(annotation: str | None) -> JobWalk | None:
    """Return the walk in an annotation, or None if it has none or somebody has edited it."""
    try:
        fields = json.loads(annotation or "null")
        walk = JobWalk(fields["grouping"], str(fields["claim"]), str(fields["settings_digest"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return walk if walk.grouping in get_args(WalkGrouping) else None
