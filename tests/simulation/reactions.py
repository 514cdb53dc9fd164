"""What themes react to: a stop of an attempt, and a wait of a stage."""

from __future__ import annotations

from .api_server import Change, Json
from .job_controller import is_finished


def stops(change: Change) -> bool:
    """Return whether the deletion of a Job at work begins."""
    before = change.before
    is_first = before is not None and "deletionTimestamp" not in before["metadata"]
    deleted = "deletionTimestamp" in change.document["metadata"]
    return is_first and deleted and not is_finished(change.document)


def waits(run: Json) -> bool:
    """Return whether a stage of a run has had to wait for a time."""
    return any(stage.get("hold") for stage in (run.get("status") or {}).get("stages") or ())
