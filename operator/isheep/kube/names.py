"""The names that the operator gives to what it makes, and by which it knows it again.

A Job's name is made of the run's and the stage's for people and of a hash for
uniqueness: the hash covers the run's UID, the stage's id, its key and the attempt, so
that two Jobs of one name are the same order, whoever made them and whenever.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "isheep-operator"
RUN_LABEL = "isheep.dev/run"
RUN_UID_LABEL = "isheep.dev/run-uid"
STAGE_LABEL = "isheep.dev/stage"
ITERATION_LABEL = "isheep.dev/iteration"
ROUND_LABEL = "isheep.dev/round"
ATTEMPT_LABEL = "isheep.dev/attempt"
POOL_LABEL = "isheep.dev/pool"

STEPS_ANNOTATION = "isheep.dev/steps"
"""The steps of a Job's order with their full keys, as JSON: `[{"id": …, "key": …}]`."""
ORDER_ANNOTATION = "isheep.dev/order-sha256"

KUEUE_PREFIX = "kueue.x-k8s.io/"
"""Labels of a run with this prefix go to its Jobs."""
KUEUE_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""With this one Kueue decides when a Job begins."""

CONTAINER = "worker"
HTTP_PORT = 8080
"""Where a worker serves /progress and /metrics."""
RENDEZVOUS_PORT = 29400
"""Where the first of several nodes waits for the others."""

RUN_CHARACTERS = 28
STAGE_CHARACTERS = 10
HASH_CHARACTERS = 10


def job_name(run: str, run_uid: str, *, stage: str, key: str, attempt: int) -> str:
    """Return a Job's name, 50 characters at most; `stage` is the id of its first step."""
    identity = f"{run_uid}\n{stage}\n{key}\n{attempt}".encode()
    digest = base64.b32encode(hashlib.sha256(identity).digest()).decode().lower()
    short = run[:RUN_CHARACTERS].rstrip("-.")
    kind = (stage.split("/")[1:] or [stage])[0]
    return f"{short}-{kind[:STAGE_CHARACTERS]}-{digest[:HASH_CHARACTERS]}"


def service_name(run: str, run_uid: str) -> str:
    """Return the name of the Service of a run, under which its pods have names."""
    digest = base64.b32encode(hashlib.sha256(run_uid.encode()).digest()).decode().lower()
    short = run[:RUN_CHARACTERS].rstrip("-.")
    return f"{short}-train-{digest[:HASH_CHARACTERS]}"


def dump_steps(steps: Iterable[tuple[str, str]]) -> str:
    """Return the value of the steps' annotation, from pairs of id and key."""
    return json.dumps([{"id": i, "key": k} for i, k in steps], separators=(",", ":"))
