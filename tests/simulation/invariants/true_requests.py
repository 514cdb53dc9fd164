"""Each request has what makes it safe: Jobs are only created and deleted, with preconditions.

The tests with a real control plane check this in the same way.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from ..connection import WRITES, Request
from ..history import History

JOBS, STATUS, RUNS = "/jobs", "/status", "/selfalignmentruns"


def violations(history: History) -> list[str]:
    """Return the writes without their preconditions, or of objects that only others change."""
    found = []
    for request in history.requests:
        if request.method in WRITES and (why := _unsafe(request)) is not None:
            found.append(f"{request.method} {request.path} at {request.at:.1f} s {why}")
    return found


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
