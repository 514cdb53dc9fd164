"""The operator stops a Job at work only for a cause (docs/architecture.md).

The spec of the run has changed since the Job was created, or somebody asked for a retry, or the run
ends. A Job of another queue, one that avoids a node, and one without labels have causes of their
own, so a simulation with such an act is left out.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ..api_server import JOBS, RUNS, Json
from ..history import History
from ..job_controller import is_finished
from .disturbances import calm_times, has_act
from .open_requests import RETRY
from .true_failure import UID_LABEL

OTHER_CAUSES = ("move-queue", "unlabel-job", "overwrite-status", "clock")
SECONDS = 10.0
"""A run that ends says so this long after it has stopped its Jobs."""
OVER = ("Succeeded", "Failed")


def violations(history: History) -> list[str]:
    """Return the Jobs that an operator has stopped without a cause."""
    if history.silences or has_act(history, *OTHER_CAUSES):
        return []
    found = []
    calm = calm_times(history)
    runs: dict[str, Json] = {}
    jobs: dict[str, Json] = {}
    asked: dict[str, Any] = {}
    changed: dict[str, float] = {}
    stopped: list[tuple[float, str, str, str]] = []
    requests = iter([r for r in history.requests if _is_deletion(r.method, r.path, r.status)])
    request = next(requests, None)
    for change in history.changes:
        uid = change.document["metadata"]["uid"]
        while request is not None and request.version <= change.version:
            if request.version == change.version and change.resource == JOBS:
                job = jobs.get(uid)
                run = "" if job is None else job["metadata"]["labels"].get(UID_LABEL, "")
                if (
                    job is not None
                    and _works(job)
                    and run in runs
                    and asked[uid] == _asked(runs[run])
                ):
                    stopped.append((change.at, run, uid, job["metadata"]["name"]))
            request = next(requests, None)
        if change.resource == RUNS:
            if uid not in runs or _asked(runs[uid]) != _asked(change.document):
                changed[uid] = change.at
            runs[uid] = change.document
            if change.kind == "DELETED" or _phase(change.document) in OVER:
                stopped = [one for one in stopped if one[1] != uid]
            if change.kind == "DELETED":
                del runs[uid]
        elif change.resource == JOBS:
            jobs[uid] = change.document
            run = change.document["metadata"]["labels"].get(UID_LABEL, "")
            if change.kind == "ADDED":
                # An operator may create a Job for a spec that has just changed, or that changed
                # while the operator was cut off.
                begin = change.at - SECONDS
                is_new = changed.get(run, change.at) > begin or not calm.holds(begin, change.at)
                # A ghost of a deleted run has no run any more.
                asked[uid] = None if is_new or run not in runs else _asked(runs[run])
        found += [name for at, _, _, name in stopped if change.at > at + SECONDS]
        stopped = [one for one in stopped if change.at <= one[0] + SECONDS]
    return [f"{name} is stopped without a cause" for name in found]


def _is_deletion(method: str, path: str, status: int) -> bool:
    return method == "DELETE" and "/jobs/" in urlsplit(path).path and status < 300


def _works(job: Json) -> bool:
    return not is_finished(job) and "deletionTimestamp" not in job["metadata"]


def _asked(run: Json) -> Any:
    return run["spec"], (run["metadata"].get("annotations") or {}).get(RETRY)


def _phase(run: Json) -> Any:
    return (run.get("status") or {}).get("phase")
