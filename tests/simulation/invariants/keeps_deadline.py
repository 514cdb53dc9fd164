"""A run fails with DeadlineExceeded when its `activeDeadlineSeconds` have passed, and not before.

They count from `startTime`. `true_failure` accepts this reason without a pod that has failed.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.contract.reasons import Reason

from ..api_server import RUNS, Json
from ..history import History
from .disturbances import Calm, calm_times, has_wrong_clock
from .job_states import ready_reason
from .keeps_waiting import seconds_of

NOTED_SECONDS = 8.0
"""The most seconds after the deadline, while nothing disturbs the operator (`reacts`)."""
GOES_ON = ("Pending", "Running", "Stalled")


def violations(history: History) -> list[str]:
    """Return the runs that fail before their deadline, or go on after it."""
    # Nobody gives a run a deadline later.
    runs = (c for c in history.changes if c.kind == "ADDED" and c.resource == RUNS)
    limited = any("activeDeadlineSeconds" in c.document["spec"] for c in runs)
    return list(_wrong(history)) if limited and not has_wrong_clock(history) else []


def _wrong(history: History) -> Iterator[str]:
    # A Job that is refused disturbs nobody: the run waits, and its deadline is one of its waits.
    calm = calm_times(history, refusals=False)
    last: dict[str, Json] = {}
    for change in history.changes:
        for run in last.values():
            yield from _late(run, change.at, calm)
        if change.resource != RUNS:
            continue
        uid = change.document["metadata"]["uid"]
        before, last[uid] = last.get(uid), change.document
        if change.kind == "DELETED":
            del last[uid]
            continue
        said, says = ready_reason(before or {}), ready_reason(change.document)
        if says == Reason.DEADLINE_EXCEEDED and said != says:
            due = _deadline(before or {}) or _deadline(change.document)
            if due is None or change.at < due:
                yield f"version {change.version} has failed before its deadline at {due} s"


def _late(run: Json, at: float, calm: Calm) -> Iterator[str]:
    due = _deadline(run)
    goes_on = due is not None and run["status"].get("phase") in GOES_ON
    if due is not None and goes_on and at > calm.after(due, NOTED_SECONDS):
        yield f"{run['metadata']['name']} goes on {at - due:.0f} s after its deadline"


def _deadline(run: Json) -> float | None:
    begin = (run.get("status") or {}).get("startTime")
    seconds = (run.get("spec") or {}).get("activeDeadlineSeconds")
    return None if begin is None or seconds is None else seconds_of(begin) + seconds
