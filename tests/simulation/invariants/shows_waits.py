"""A run whose next stage waits for a time says why (docs/reference/conditions.md).

The wait is in the record of the stage. While no Job of the run exists, the run shows its reason,
and the run is Stalled if the wait needs somebody else.
"""

from __future__ import annotations

from ..api_server import JOBS, PODS, RUNS, Json
from ..history import History
from .disturbances import has_wrong_clock
from .job_states import JobStates, ready_reason
from .keeps_waiting import seconds_of
from .open_requests import is_open

GOES_ON = ("Pending", "Running", "Stalled")
SOON_SECONDS = 5.0
"""A wait that ends within this time may be over for the operator."""


def violations(history: History) -> list[str]:
    """Return the versions that hide the wait of their stage."""
    if has_wrong_clock(history):
        return []
    jobs = JobStates()
    found = []
    for change in history.changes:
        if change.resource in (JOBS, PODS):
            jobs.note(change)
        elif change.resource == RUNS and change.kind != "DELETED":
            run = change.document
            status = run.get("status") or {}
            free = not any(jobs.of(run["metadata"]["uid"])) and not any(is_open(run).values())
            if not free or status.get("phase") not in GOES_ON or change.version in history.exempt:
                continue
            hold = _only_wait(status)
            if hold is None or seconds_of(hold["until"]) < change.at + SOON_SECONDS:
                continue
            shown = ready_reason(run), status["phase"] == "Stalled"
            if shown != (hold["reason"], bool(hold.get("stalled"))):
                text = f"{hold['reason']}, stalled {hold.get('stalled')}"
                found.append(f"version {change.version} waits for {text}, and shows {shown}")
    return found


def _only_wait(status: Json) -> Json | None:
    """Return the wait of the only stage that is not committed."""
    left = [s for s in status.get("stages") or () if not s.get("committed")]
    return dict(left[0]["hold"]) if len(left) == 1 and left[0].get("hold") else None
