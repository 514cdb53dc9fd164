"""An operator that nothing disturbs reacts within a minute, and not with its next LIST.

It notes the end of each Job, each edit and each retry in the status of the run. While a run says
that it runs, and gives no reason to wait, a Job is at work for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..api_server import JOBS, RUNS, Change, Json
from ..history import History
from ..job_controller import is_finished
from .disturbances import Calm, calm_times
from .true_failure import UID_LABEL

LIMIT_SECONDS = 60.0
RETRY = "isheep.dev/retry"
GOES_ON = (None, "Pending", "Running", "Starting")
"""The reasons that do not say why a run waits."""


@dataclass(slots=True)
class _Run:
    """What is known about a run: its Jobs at work, and since when something has been due."""

    document: Json
    working: set[str] = field(default_factory=set)
    due: dict[str, float] = field(default_factory=dict)


def violations(history: History) -> list[str]:
    """Return what an operator has noted too late, or not at all."""
    calm = calm_times(history)
    return list(_late(history.changes, calm))


def _late(changes: tuple[Change, ...], calm: Calm) -> Iterator[str]:
    runs: dict[str, _Run] = {}
    for change in changes:
        uid = _run_of(change)
        if uid is None or (uid not in runs and change.resource != RUNS):
            continue
        run = runs.setdefault(uid, _Run(change.document))
        if change.resource == RUNS and change.kind == "DELETED":
            del runs[uid]
            continue
        if change.resource == RUNS:
            yield from _answered(run, change, calm)
            run.document = change.document
        else:
            _note_job(run, change)
        yield from _idle(run, change, calm)


def _run_of(change: Change) -> str | None:
    metadata = change.document["metadata"]
    if change.resource == RUNS:
        return str(metadata["uid"])
    return (metadata.get("labels") or {}).get(UID_LABEL) if change.resource == JOBS else None


def _answered(run: _Run, change: Change, calm: Calm) -> Iterator[str]:
    """Yield what the status of a run answers too late, and note what is due next."""
    before, after = run.document.get("status") or {}, change.document.get("status") or {}
    if before != after:
        yield from _checked(run, "end", "the end of a Job", change, calm)
    for name, what in (("generation", "an edit"), ("retry", "a retry")):
        if is_open(change.document)[name]:
            run.due.setdefault(name, change.at)
        else:
            yield from _checked(run, name, what, change, calm)


def is_open(document: Json) -> dict[str, bool]:
    """Return whether the status lacks the newest spec, and the newest retry."""
    metadata, status = document["metadata"], document.get("status") or {}
    asked = (metadata.get("annotations") or {}).get(RETRY)
    return {
        "generation": status.get("observedGeneration") != metadata["generation"],
        "retry": asked is not None and asked != status.get("lastHandledRetry"),
    }


def _note_job(run: _Run, change: Change) -> None:
    uid = change.document["metadata"]["uid"]
    gone = change.kind == "DELETED"
    if not gone and not is_finished(change.document):
        run.working.add(uid)
    elif uid in run.working:
        run.working.discard(uid)
        if not gone and "deletionTimestamp" not in change.document["metadata"]:
            run.due.setdefault("end", change.at)


def _idle(run: _Run, change: Change, calm: Calm) -> Iterator[str]:
    """Yield whether a run has said for too long that it goes on, without a Job."""
    status: dict[str, Any] = run.document.get("status") or {}
    ready = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    says = status.get("phase") in GOES_ON[:3] and ready.get("reason") in GOES_ON
    if says and not run.working:
        run.due.setdefault("job", change.at)
    else:
        yield from _checked(run, "job", "that nothing is at work", change, calm)


def _checked(run: _Run, name: str, what: str, change: Change, calm: Calm) -> Iterator[str]:
    begin = run.due.pop(name, change.at)
    late = change.at - begin
    if late > LIMIT_SECONDS and calm.holds(begin, begin + LIMIT_SECONDS):
        yield f"{run.document['metadata']['name']}: {what} is noted after {late:.0f} s"
