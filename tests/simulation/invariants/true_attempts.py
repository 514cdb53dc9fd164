"""When an operator deletes a Job, the attempt counts, and its result is stored already.

- If the operator stops an attempt, its next status counts the attempt. Otherwise the next attempt
  gets the number of the one that still ends.
- An attempt that has ended is deleted only after the status has its end, and all stages that it has
  made: an operator that dies in between would not know the result any more.

Only the status is compared that the same process writes right after the deletion, and of a stopped
attempt the first one that it writes, also if earlier writes were lost. A Job whose queue has
changed, or that avoids nodes that answer again, is deleted as useless and does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, RUNS, Json
from ..connection import Request
from ..history import History
from ..job_controller import is_finished
from .disturbances import Calm, calm_times, has_act
from .true_failure import UID_LABEL
from .true_jobs import ATTEMPT_LABEL

SECONDS = 5.0
"""A pass writes its status within this time after its actions."""
TRIES_SECONDS = 120.0
"""A pass that fails is repeated after a minute at most."""
OVER = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class _Deletion:
    """A Job that an operator has deleted, and its run's name and status at that time.

    `spec` is that of its run when the Job was created, without `suspend`. It is empty if somebody
    had just changed the run, or if something disturbed the operator, which may not have known it.
    """

    job: Json
    finished: bool
    name: str
    before: Json
    spec: Json
    request: Request


def violations(history: History) -> list[str]:
    """Return the deleted attempts that do not count, and those whose result was not stored."""
    useless = history.silences or has_act(history, "move-queue")
    # A status that somebody else has written counts nothing.
    is_certain = not useless and not history.exempt
    writes = [one for one in history.requests if one.method == "PATCH"]
    versions = {one.version: one.document for one in history.changes if one.resource == RUNS}
    found = []
    calm = calm_times(history)
    for deletion in _deletions(history, calm):
        after = _written_after(deletion, writes, versions)
        at = deletion.request.at
        if after is None or after["metadata"]["uid"] != _run_uid(deletion.job):
            # Somebody has deleted the run, and another one has its name.
            continue
        if deletion.finished and not calm.holds(at, at + SECONDS):
            continue
        if deletion.finished and after["spec"].get("suspend"):
            continue
        name = deletion.job["metadata"]["name"]
        if deletion.finished and (_is_news(deletion, after) or _has_news(deletion, after, history)):
            found.append(f"{name} is deleted before its result is stored")
        if not deletion.finished and is_certain and not _counts(deletion, after):
            found.append(f"{name} is stopped, and its attempt does not count")
    return found


def _deletions(history: History, calm: Calm) -> Iterator[_Deletion]:
    changes = iter(history.changes)
    change = next(changes, None)
    jobs: dict[str, Json] = {}
    runs: dict[str, Json] = {}
    specs: dict[str, Json] = {}
    edited: dict[str, float] = {}
    for request in history.requests:
        if request.method != "DELETE" or "/jobs/" not in request.path or request.status >= 300:
            continue
        while change is not None and change.at < request.at:
            uid = change.document["metadata"]["uid"]
            if change.resource == RUNS:
                if uid in runs and _spec(runs[uid]) != _spec(change.document):
                    edited[uid] = change.at
                runs[uid] = change.document
            elif change.resource == JOBS:
                jobs[uid] = change.document
                owner = change.document["metadata"]["ownerReferences"][0]["uid"]
                begin = change.at - SECONDS
                is_known = edited.get(owner, -SECONDS) <= begin and calm.holds(begin, change.at)
                specs.setdefault(uid, _spec(runs[owner]) if is_known else {})
            change = next(changes, None)
        job = jobs.get(request.body["preconditions"]["uid"])
        run = None if job is None else _run_uid(job)
        if job is None or run not in runs or "deletionTimestamp" in job["metadata"]:
            continue
        name, status = runs[run]["metadata"]["name"], runs[run].get("status") or {}
        spec = specs[job["metadata"]["uid"]]
        yield _Deletion(job, is_finished(job), name, status, spec, request)


def _written_after(
    deletion: _Deletion, writes: list[Request], versions: dict[int, Json]
) -> Json | None:
    """Return the run after the status that the process writes after a deletion.

    If the Job had ended, this is the status of the same pass, in its first try.
    """
    begin, path = deletion.request.at, f"/{deletion.name}/status"
    end = begin + (SECONDS if deletion.finished else TRIES_SECONDS)
    for one in writes:
        due = begin <= one.at < end and one.process == deletion.request.process
        if due and urlsplit(one.path).path.endswith(path):
            if one.status < 300:
                return versions.get(one.version)
            if deletion.finished:
                return None
    return None


def _run_uid(job: Json) -> str | None:
    uid: str | None = (job["metadata"].get("labels") or {}).get(UID_LABEL)
    return uid


def _record(status: Json, job: Json) -> Any:
    first = steps_of(job)[:1]
    stages = status.get("stages") or ()
    return next((s for s in stages if [(s["id"], s["key"])] == first), None)


def _number(job: Json) -> int:
    return int(job["metadata"]["labels"].get(ATTEMPT_LABEL, 0))


def _is_news(deletion: _Deletion, after: Json) -> bool:
    """Return whether the status commits the first stage of a Job only after its deletion."""
    before = _record(deletion.before, deletion.job)
    status = after.get("status") or {}
    now = _record(status, deletion.job)
    # A run that has just ended stops its Jobs, although a late watch may hide that one has ended.
    known = before is None or before.get("committed") or status.get("phase") in OVER
    known = known or int(before.get("attempts") or 0) >= _number(deletion.job)
    return not known and now is not None and bool(now.get("committed"))


def _has_news(deletion: _Deletion, after: Json, history: History) -> bool:
    """Return whether the status commits a stage that a Job has made only after its deletion."""
    conditions = deletion.job["status"].get("conditions") or ()
    complete = any(one["type"] == "Complete" for one in conditions)
    status = after.get("status") or {}
    if not complete or status.get("phase") in OVER:
        # A Job that has failed may not have said what it has made.
        return False
    name = deletion.job["metadata"]["name"]
    made = {(one.stage, one.key) for one in history.commits if one.job == name}
    return not (_committed(status) - _committed(deletion.before)).isdisjoint(made)


def _committed(status: Json) -> set[tuple[str, str]]:
    stages = status.get("stages") or ()
    return {(one["id"], one["key"]) for one in stages if one.get("committed")}


def _spec(run: Json) -> Json:
    return {name: value for name, value in run["spec"].items() if name != "suspend"}


def _counts(deletion: _Deletion, after: Json) -> bool:
    status = after.get("status") or {}
    record = _record(status, deletion.job)
    number = _number(deletion.job)
    if status.get("phase") in OVER:
        return True
    if record is None:
        # An edit may have removed the stage from the plan.
        return deletion.spec != _spec(after)
    return bool(record.get("committed")) or int(record.get("attempts") or 0) >= number
