"""The trace of a simulation: faults, commits and changes in the order of their times."""

from __future__ import annotations

from collections.abc import Iterator

from .api_server import JOBS, PODS, RUNS, Change
from .history import History


def trace(history: History) -> Iterator[str]:
    """Yield one line for each fault, commit and change of a run, Job or pod."""
    lines = [(at, f"FAULT  {text}") for at, text in history.faults]
    lines += [
        (c.at, f"commit {c.stage} by {c.job}{'' if c.first else ' AGAIN'}") for c in history.commits
    ]
    shown = [c for c in history.changes if c.resource in (RUNS, JOBS, PODS)]
    lines += [(change.at, _line(change)) for change in shown]
    for at, text in sorted(lines, key=lambda line: line[0]):
        yield f"{at:9.2f}  {text}"


def _line(change: Change) -> str:
    document = change.document
    metadata, status = document["metadata"], document.get("status") or {}
    words = {"ADDED": "new", "MODIFIED": "", "DELETED": "gone"}[change.kind]
    name = f"v{change.version} {change.resource} {metadata['name']} {words}"
    if change.resource == RUNS:
        conditions = {c["type"]: c for c in status.get("conditions") or ()}
        ready = conditions.get("Ready", {})
        done = sum(1 for s in status.get("stages") or () if s.get("committed"))
        return (
            f"{name} g{metadata['generation']}/{status.get('observedGeneration')} "
            f"{status.get('phase')} {ready.get('reason')}: {ready.get('message', '')[:120]} "
            f"[{done} committed]"
        )
    if change.resource == PODS:
        return f"{name} {status.get('phase')} {status.get('containerStatuses', '')!s:.160}"
    counts = {n: status[n] for n in ("active", "ready", "terminating", "failed") if status.get(n)}
    ends = [c["type"] for c in status.get("conditions") or ()]
    deleting = "deleting" if "deletionTimestamp" in metadata else ""
    suspended = "suspended" if document["spec"].get("suspend") else ""
    return f"{name} {counts} {' '.join(ends)} {deleting} {suspended}"
