"""What themes react to: a stop of an attempt, and a wait of a stage."""

from __future__ import annotations

from .api_server import Change, Json
from .invariants.job_states import ready_reason
from .job_controller import is_finished


def stops(change: Change) -> bool:
    """Return whether the deletion of a Job at work begins."""
    before = change.before
    is_first = before is not None and "deletionTimestamp" not in before["metadata"]
    deleted = "deletionTimestamp" in change.document["metadata"]
    return is_first and deleted and not is_finished(change.document)


def waits(run: Json) -> bool:
    """Return whether a stage of a run has had to wait for a time."""
    return any(_holds(run))


def begins_to_wait(change: Change) -> bool:
    """Return whether nothing of a run is at work from now on, because a stage has to wait."""
    before = change.before is not None and _only_waits(change.before)
    return _only_waits(change.document) and not before


def _only_waits(run: Json) -> bool:
    return ready_reason(run) in {hold["reason"] for hold in _holds(run)}


def _holds(run: Json) -> list[Json]:
    stages = (run.get("status") or {}).get("stages") or ()
    return [stage["hold"] for stage in stages if stage.get("hold")]
