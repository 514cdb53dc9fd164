"""A run that has ended stays so until an edit or a retry (docs/reference/conditions.md).

A retry has an effect on a run that is Stalled or Failed, and otherwise only its value is noted: the
counts and waits of the stages stay as they are. An edit begins all of them again, because it may
have removed the cause.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..api_server import RUNS, Change, Json
from ..history import History
from .open_requests import RETRY

OVER = ("Succeeded", "Failed")
GOES_ON = ("Pending", "Running", "Suspended")
COUNTS = ("failures", "memoryReduction", "hold")


def violations(history: History) -> list[str]:
    """Return the versions that begin again without a reason, or forget failures at a retry."""
    found: list[str] = []
    runs: dict[str, Json] = {}
    for change in history.changes:
        if change.resource != RUNS:
            continue
        uid = change.document["metadata"]["uid"]
        before = runs.get(uid)
        runs[uid] = change.document
        if change.kind == "DELETED" or change.version in history.exempt:
            runs.pop(uid)
        elif before is not None:
            found += _of_version(before, change)
    return found


def _of_version(before: Json, change: Change) -> Iterator[str]:
    old, new = before.get("status") or {}, change.document.get("status") or {}
    asked = (change.document["metadata"].get("annotations") or {}).get(RETRY)
    is_retry = asked not in (None, old.get("lastHandledRetry"))
    is_edit = old.get("observedGeneration") != new.get("observedGeneration")
    phases = old.get("phase"), new.get("phase")
    if phases[0] in OVER and phases[1] != phases[0] and not is_edit and not is_retry:
        yield f"version {change.version} is {phases[1]} after {phases[0]}, and nobody asked for it"
    if is_edit and (kept := _kept(old, new)):
        yield f"version {change.version} answers an edit, and keeps the failures of {kept}"
    if old.get("lastHandledRetry") == new.get("lastHandledRetry") or is_edit:
        return
    if phases[0] in GOES_ON:
        lost = _lost(old, new)
        if lost:
            yield f"version {change.version} notes a retry, and forgets the counts of {lost}"


def _lost(old: Json, new: Json) -> str:
    """Return a stage whose counts are smaller than before."""
    known = {(s["id"], s["key"]): s for s in old.get("stages") or () if not s.get("committed")}
    for stage in new.get("stages") or ():
        before = known.get((stage["id"], stage["key"]))
        if before is None or stage.get("committed"):
            continue
        fewer = any((stage.get(n) or 0) < (before.get(n) or 0) for n in COUNTS[:2])
        if fewer or (before.get("hold") and not stage.get("hold")):
            return str(stage["id"])
    return ""


def _kept(old: Json, new: Json) -> str:
    """Return a stage that still has the failures of before, apart from those that are new."""
    known = {(s["id"], s["key"]): s for s in old.get("stages") or ()}
    for stage in new.get("stages") or ():
        before = known.get((stage["id"], stage["key"]), {})
        failures, attempts = (before.get(name) or 0 for name in ("failures", "attempts"))
        ended = (stage.get("attempts") or 0) - attempts
        if failures and (stage.get("failures") or 0) >= max(failures, 1 + ended):
            return str(stage["id"])
    return ""
