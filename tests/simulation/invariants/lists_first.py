"""An operator that takes the Lease of another one lists runs and Jobs before it writes.

Its watches can be late or silent, so that its cache lacks the last writes of the other operator
(`kube/passes/fence.py`).
"""

from __future__ import annotations

from ..api_server import JOBS, RUNS
from ..connection import WRITES, Request
from ..history import History
from .one_writer import EVENTS, LEASES


def violations(history: History) -> list[str]:
    """Return the first write of each operator that has not listed after it took the Lease."""
    holder = ""
    missing: dict[int, set[str]] = {}
    found = []
    for one in history.requests:
        path = one.path.partition("?")[0]
        if one.status >= 300:
            continue
        if f"/{LEASES}" in path and one.method in WRITES:
            before, holder = holder, (one.body.get("spec") or {}).get("holderIdentity") or ""
            if before and holder and holder != before:
                missing[one.process] = {RUNS, JOBS}
        elif one.method == "GET" and one.process in missing:
            missing[one.process].discard(path.rpartition("/")[2])
        elif missing.get(one.process) and _needs_cache(one, path):
            found.append(
                f"{one.operator} sends {one.method} {path} at {one.at:.1f} s before a LIST"
            )
            del missing[one.process]
    return found


def _needs_cache(request: Request, path: str) -> bool:
    return request.method in WRITES and not path.endswith(EVENTS)
