"""One Job at work for a key, and no Job for stages that the run's status has as committed.

The functions of the tests with a real control plane check this in the same way. A Job on a node
that is lost, or looks so, is left out from then on, because the next attempt begins beside it.
"""

from __future__ import annotations

from ...control_plane.harness.invariants import check_jobs
from ...control_plane.harness.observer import Version
from ..api_server import JOBS, RUNS, Json
from ..history import History
from .lost_jobs import left_jobs


def versions(history: History, resource: str) -> list[Version]:
    """Return the versions of a resource's objects."""
    return [
        Version(change.kind, change.document, 0.0)
        for change in history.changes
        if change.resource == resource
    ]


def violations(history: History) -> list[str]:
    """Return the first violation, if there is one."""
    try:
        check_jobs(_jobs(history), versions(history, RUNS), history.exempt)
    except AssertionError as error:
        return [str(error).partition("\n")[0]]
    return []


def _jobs(history: History) -> list[Version]:
    """Return the versions of Jobs; a Job that is lost counts as deleted.

    A Job keeps the labels of its creation, so that its run is known if somebody removes them.
    """
    labels: dict[str, Json] = {}
    since: dict[str, float] = {}
    for lost in left_jobs(history):
        since[lost.uid] = min(lost.since, since.get(lost.uid, float("inf")))
    found, last = [], {}
    for change in history.changes:
        # The end of a lost Job has a place between the versions before and after it.
        for uid in [uid for uid, time in since.items() if time <= change.at and uid in last]:
            found.append(Version("DELETED", last.pop(uid), 0.0))
        uid = change.document["metadata"]["uid"]
        if change.resource == JOBS and change.at < since.get(uid, float("inf")):
            metadata = change.document["metadata"]
            kept = labels.setdefault(uid, metadata.get("labels") or {})
            document = {**change.document, "metadata": {**metadata, "labels": kept}}
            if "deletionTimestamp" in metadata and kept and not metadata.get("labels"):
                # Nothing shows the operator that this Job still stops (`defects/survivors.md`).
                since[uid] = change.at
                found.append(Version("DELETED", document, 0.0))
                last.pop(uid, None)
                continue
            found.append(Version(change.kind, document, 0.0))
            last[uid] = document
    return found
