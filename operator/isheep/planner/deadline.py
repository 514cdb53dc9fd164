"""`spec.activeDeadlineSeconds`, counted from `status.startTime`.

The clock starts with the first reconciliation of a run that is not suspended. It starts again
after a suspension, after a retry, and with a new generation of a run that had ended. An edit of a
running run does not extend the deadline.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from isheep.api.run import SelfAlignmentRunSpec


def start_time(
    before: datetime | None, *, suspended: bool, restarts: bool, now: datetime
) -> datetime | None:
    """Return `status.startTime`; None while suspended."""
    if suspended:
        return None
    return now if before is None or restarts else before


def deadline(spec: SelfAlignmentRunSpec, started: datetime | None) -> datetime | None:
    """Return when the run fails with DeadlineExceeded, or None while the run is suspended."""
    if started is None:
        return None
    return started + timedelta(seconds=spec.active_deadline_seconds)
