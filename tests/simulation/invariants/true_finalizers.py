"""A status says that a finalizer keeps a Job only if the Job exists.

The message of such an attempt asks people to look at the finalizers of the Job.
"""

from __future__ import annotations

import re

from ..api_server import JOBS, RUNS, Json
from ..history import History

KEPT = re.compile(r"the Job (\S+) was deleted and its pods have ended, but a finalizer keeps it")
SECONDS = 5.0
"""How long after the last look at the Job the status is written."""


def violations(history: History) -> list[str]:
    """Return the versions that say so for the first time of a Job that is gone."""
    gone: dict[str, float] = {}
    said: set[tuple[str, str]] = set()
    found = []
    for change in history.changes:
        name = change.document["metadata"]["name"]
        if change.resource == JOBS and change.kind == "DELETED":
            gone[name] = change.at
        elif change.resource == JOBS:
            gone.pop(name, None)
        elif change.resource == RUNS and gone:
            for job in _kept(change.document):
                is_new = (change.document["metadata"]["uid"], job) not in said
                said.add((change.document["metadata"]["uid"], job))
                if is_new and gone.get(job, change.at) < change.at - SECONDS:
                    found.append(f"version {change.version} says that a finalizer keeps {job}")
    return found


def _kept(run: Json) -> set[str]:
    """Return the Jobs of which a status says that a finalizer keeps them."""
    status = run.get("status") or {}
    texts = [one.get("message") or "" for one in status.get("conditions") or ()]
    texts += [one["hold"]["message"] for one in status.get("stages") or () if one.get("hold")]
    return {job for text in texts for job in KEPT.findall(text)}
