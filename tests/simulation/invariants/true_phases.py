"""The phase of a run is the one that its reason has in docs/reference/conditions.md.

Each reason there is in the table of what makes progress, of what stalls a run, or of what ends it.
A condition moves only when its status changes, and its time is then that of the change. A run is
Pending until its first Job goes on.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.contract.explanation import ReasonGroup
from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.reasons import Reason

from ..api_server import JOBS, RUNS, Change, Json
from ..history import History
from .disturbances import calm_times, has_wrong_clock
from .job_states import JobStates, ready_reason
from .keeps_waiting import seconds_of

PHASES = {
    ReasonGroup.RECONCILING: {"Pending", "Running"},
    ReasonGroup.STALLED: {"Stalled"},
    ReasonGroup.FAILED: {"Failed"},
}
ENDS = {
    Reason.SUCCEEDED: {"Succeeded"},
    Reason.NO_IMPROVEMENT: {"Succeeded"},
    Reason.STOPPED_EARLY: {"Succeeded"},
    Reason.SUSPENDED: {"Suspended"},
}
BEGUN_SECONDS = 3.0
"""How long a run may be Pending after its Job goes on."""
ERROR_SECONDS = 15.0
"""A pass may write a status several requests after it has read the clock."""


def violations(history: History) -> list[str]:
    """Return the versions whose phase has another reason, and conditions with wrong times."""
    exact = not has_wrong_clock(history)
    found: list[str] = []
    runs: dict[str, Json] = {}
    for change in history.changes:
        if change.resource == RUNS:
            uid = change.document["metadata"]["uid"]
            before = runs.get(uid)
            runs[uid] = change.document
            is_news = before is None or before.get("status") != change.document.get("status")
            if change.kind != "DELETED" and is_news:
                found += _of_version(before or {}, change, exact=exact)
    return [*found, *_hides_work(history)]


def _hides_work(history: History) -> Iterator[str]:
    """Yield the first run that says Pending and Running although its Job goes on."""
    calm = calm_times(history)
    jobs = JobStates()
    runs: dict[str, Json] = {}
    since: dict[str, float] = {}
    for change in history.changes:
        if change.resource == RUNS:
            runs[change.document["metadata"]["uid"]] = change.document
            if change.kind == "DELETED":
                del runs[change.document["metadata"]["uid"]]
        elif change.resource == JOBS:
            jobs.note(change)
        else:
            continue
        for uid, run in runs.items():
            phase = (run.get("status") or {}).get("phase")
            hides = phase == "Pending" and ready_reason(run) == Reason.RUNNING
            if hides and any(job.lives and not job.suspended for job in jobs.of(uid)):
                since.setdefault(uid, change.at)
            else:
                since.pop(uid, None)
        for uid in since.keys() - runs.keys():
            del since[uid]
        for uid, begin in since.items():
            if change.at > calm.after(begin, BEGUN_SECONDS):
                yield f"{runs[uid]['metadata']['name']} is Pending, and its Job goes on"
                return


def _of_version(before: Json, change: Change, *, exact: bool) -> Iterator[str]:
    status = change.document.get("status") or {}
    known = {c["type"]: c for c in (before.get("status") or {}).get("conditions") or ()}
    for condition in status.get("conditions") or ():
        name, old = condition["type"], known.get(condition["type"])
        if name == "Ready" and status.get("phase") not in _phases(condition["reason"]):
            yield f"version {change.version} is {status.get('phase')} for {condition['reason']}"
        moved = old is None or old["status"] != condition["status"]
        at = condition["lastTransitionTime"]
        if old is not None and not moved and at != old["lastTransitionTime"]:
            yield f"version {change.version} moves {name}, which stays {condition['status']}"
        if moved and exact and abs(seconds_of(at) - change.at) > ERROR_SECONDS:
            yield f"version {change.version} has moved {name} at {at}"


def _phases(reason: str) -> set[str]:
    if reason in ENDS:
        return ENDS[Reason(reason)]
    return {phase for group in EXPLANATIONS[Reason(reason)].groups for phase in PHASES[group]}
