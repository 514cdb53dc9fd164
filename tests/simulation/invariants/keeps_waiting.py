"""A stage that must wait starts no attempt before its time, and its wait is that of the schedule.

A wrong clock of the operator changes all of these times. An edit or a retry ends a wait.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from isheep.planner.retry_schedule import STALLED_SCHEDULE

from ...unit.isheep.kube.virtual_time import START
from ..api_server import JOBS, RUNS, Change, Json
from ..history import History
from .disturbances import has_wrong_clock
from .open_requests import is_open
from .true_failure import UID_LABEL

STEPS = "isheep.dev/steps"
ERROR_SECONDS = 2.0
"""Times have whole seconds, and a request takes a while."""
FAILED_SECONDS = (10.0, 40.0, 160.0)
DISRUPTED_SECONDS = 10.0
"""The waits after the first failures, and after a disruption (docs/reference)."""


def violations(history: History) -> list[str]:
    """Return the Jobs that began too early, and the waits that are too long."""
    if has_wrong_clock(history):
        return []
    return list(_early(history.changes))


def _early(changes: tuple[Change, ...]) -> Iterator[str]:
    runs: dict[str, Json] = {}
    for change in changes:
        metadata = change.document["metadata"]
        if change.resource == RUNS:
            yield from _too_long(runs.get(metadata["uid"], {}), change)
            runs[metadata["uid"]] = change.document
        elif change.resource == JOBS and change.kind == "ADDED":
            run = runs.get(metadata["labels"].get(UID_LABEL, ""))
            if run is not None and not any(is_open(run).values()):
                yield from _before_its_time(run, change)


def _before_its_time(run: Json, change: Change) -> Iterator[str]:
    first = json.loads(change.document["metadata"]["annotations"][STEPS])[0]
    for stage in (run.get("status") or {}).get("stages") or ():
        hold = stage.get("hold")
        if (stage["id"], stage["key"]) != (first["id"], first["key"]) or not hold:
            continue
        early = seconds_of(hold["until"]) - change.at
        if early > ERROR_SECONDS:
            yield f"{change.document['metadata']['name']} begins {early:.0f} s before its time"


def _too_long(before: Json, change: Change) -> Iterator[str]:
    old = {s["id"]: s.get("hold") for s in (before.get("status") or {}).get("stages") or ()}
    for stage in (change.document.get("status") or {}).get("stages") or ():
        hold = stage.get("hold")
        if not hold or hold == old.get(stage["id"]):
            continue
        wait = seconds_of(hold["until"]) - change.at
        most = _longest(hold, stage.get("failures") or 0)
        if wait > most + ERROR_SECONDS:
            yield f"{stage['id']} waits for {wait:.0f} s, and {most:.0f} s are the most"


def _longest(hold: Json, failures: int) -> float:
    if hold.get("stalled"):
        times = min(hold.get("times", 1), len(STALLED_SCHEDULE))
        return STALLED_SCHEDULE[times - 1].total_seconds()
    if hold["reason"] == "Disrupted" or not failures:
        return DISRUPTED_SECONDS
    return FAILED_SECONDS[min(failures, len(FAILED_SECONDS)) - 1]


def seconds_of(time: str) -> float:
    """Return a time of the API server in seconds since the start of the simulation."""
    return (datetime.fromisoformat(time) - START).total_seconds()
