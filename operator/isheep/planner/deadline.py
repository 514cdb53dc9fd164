"""`spec.activeDeadlineSeconds`, counted from `status.startTime`.

The clock starts with the first pass over a run that is not suspended. It starts anew
after a suspension, with a retry, and with a new generation of a run that had ended;
a run that is edited while it works gets no more time by that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from isheep.api.run import SelfAlignmentRunSpec


def start_time(
    before: datetime | None, *, suspended: bool, anew: bool, now: datetime
) -> datetime | None:
    """Return `status.startTime`; None while suspended."""
    if suspended:
        return None
    return now if before is None or anew else before


def deadline(spec: SelfAlignmentRunSpec, started: datetime | None) -> datetime | None:
    """Return when the run fails with DeadlineExceeded, None while its clock stands."""
    if started is None:
        return None
    return started + timedelta(seconds=spec.active_deadline_seconds)
