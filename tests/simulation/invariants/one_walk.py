"""A run starts no Job beside one of its own that walks through the same stages.

A Job with a walk occupies the rest of its part of an iteration, or of the run, as long as it has
not ended or been stopped (docs/architecture.md). This holds also if somebody removes its labels,
because nobody can change those of its pods (`kube/passes/forgotten_jobs.py`). A Job without labels
and without a pod is not found (`defects/survivors.md`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..api_server import JOBS, PODS, Json
from ..history import History
from ..job_controller import is_finished
from .lost_jobs import is_over, left_jobs
from .true_jobs import WALK


def violations(history: History) -> list[str]:
    """Return the Jobs that were created beside a Job that walks through the same stages."""
    return list(_beside(history))


def _beside(history: History) -> Iterator[str]:
    since: dict[str, float] = {}
    for lost in left_jobs(history):
        since[lost.uid] = min(lost.since, since.get(lost.uid, float("inf")))
    walking: dict[str, dict[str, Json]] = {}
    pods: dict[str, set[str]] = {}
    for change in history.changes:
        metadata = change.document["metadata"]
        owners = metadata.get("ownerReferences") or ()
        if change.resource == PODS and owners:
            alive = pods.setdefault(owners[0]["uid"], set())
            over = change.kind == "DELETED" or is_over(change.document)
            (alive.discard if over else alive.add)(metadata["uid"])
        if change.resource != JOBS:
            continue
        uid, jobs = metadata["uid"], walking.setdefault(owners[0]["uid"], {})
        walk = _walk(change.document)
        if change.kind == "ADDED" and walk is not None:
            for other, job in jobs.items():
                is_seen = bool(job["metadata"]["labels"]) or bool(pods.get(other))
                is_lost = since.get(other, float("inf")) <= change.at
                if is_seen and not is_lost and _meets(walk, _walk(job)):
                    yield f"{metadata['name']} begins beside {job['metadata']['name']}"
        # A Job that stops has left the plan, or `one_job` has the rule for it.
        stops = "deletionTimestamp" in metadata
        if change.kind == "DELETED" or is_finished(change.document) or stops:
            jobs.pop(uid, None)
        elif walk is not None:
            jobs[uid] = change.document


def _walk(job: Json) -> Any:
    """Return the walk of a Job; None if it makes one stage."""
    text = (job["metadata"].get("annotations") or {}).get(WALK)
    return None if text is None else json.loads(text)


def _meets(walk: Any, other: Any) -> bool:
    """Return whether two Jobs of a run walk through the same stages."""
    whole = "Run" in (walk["grouping"], other["grouping"])
    return whole or bool(walk["claim"] == other["claim"])
