"""Each request has what makes it safe: Jobs are only created and deleted, with preconditions.

The tests with a real control plane check this in the same way.

An operator that nothing has disturbed knows all Jobs that have its label, and creates none of them
again. It finds the others out only by their names.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from ..connection import WRITES, Request
from ..history import History
from .disturbances import calm_times, has_act

JOBS, STATUS, RUNS = "/jobs", "/status", "/selfalignmentruns"
CALM_SECONDS = 30.0
"""How long nothing may have disturbed the operator before it must know all Jobs."""


def violations(history: History) -> list[str]:
    """Return the writes without their preconditions, or of objects that only others change."""
    found = []
    for request in history.requests:
        if request.method in WRITES and (why := _unsafe(request)) is not None:
            found.append(f"{request.method} {request.path} at {request.at:.1f} s {why}")
    return [*found, *_repeated(history)]


def _repeated(history: History) -> list[str]:
    if has_act(history, "unlabel-job"):
        return []
    calm = calm_times(history)
    return [
        f"the Job {request.body['metadata']['name']} exists, and is created at {request.at:.1f} s"
        for request in history.requests
        if (request.method, request.status) == ("POST", 409)
        and urlsplit(request.path).path.endswith(JOBS)
        and calm.holds(request.at - CALM_SECONDS, request.at)
    ]


def _unsafe(request: Request) -> str | None:
    path, body = urlsplit(request.path).path, request.body or {}
    if JOBS in path:
        if request.method not in ("POST", "DELETE"):
            return "changes a Job"
        if request.method == "DELETE" and body.get("propagationPolicy") != "Foreground":
            return "does not delete the pods first"
        if request.method == "DELETE" and not (body.get("preconditions") or {}).get("uid"):
            return "may delete another Job of the same name"
    if path.endswith(STATUS) and not (body.get("metadata") or {}).get("resourceVersion"):
        return "may overwrite a status that nobody has read"
    if RUNS in path and not path.endswith(STATUS):
        return "changes a run"
    return None
