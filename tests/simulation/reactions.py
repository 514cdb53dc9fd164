"""What themes react to: a stop of an attempt, the reason of a run, and a wait of a stage."""

from __future__ import annotations

from .api_server import Change, Json
from .job_controller import is_finished


def stops(change: Change) -> bool:
    """Return whether the deletion of a Job at work begins."""
    before = change.before
    is_first = before is not None and "deletionTimestamp" not in before["metadata"]
    deleted = "deletionTimestamp" in change.document["metadata"]
    return is_first and deleted and not is_finished(change.document)


def reason_of(run: Json | None) -> str | None:
    """Return the reason that a run says, if it says one."""
    conditions = ((run or {}).get("status") or {}).get("conditions") or ()
    return next((str(c["reason"]) for c in conditions if c["type"] == "Ready"), None)


def waits(run: Json) -> bool:
    """Return whether a stage of a run has had to wait for a time."""
    return any(stage.get("hold") for stage in (run.get("status") or {}).get("stages") or ())
