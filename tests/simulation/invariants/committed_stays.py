"""What a status reports as committed is in the store, and stays committed while the spec stays."""

from __future__ import annotations

from typing import Any

from ..api_server import RUNS, Json
from ..history import History

PREPARE = "prepare"


def violations(history: History) -> list[str]:
    """Return the stages that a status lost, or reported without a commit."""
    found: list[str] = []
    written = {commit.key for commit in history.commits}
    before: dict[str, tuple[Any, set[tuple[str, str]]]] = {}
    for change in history.changes:
        if change.resource != RUNS or change.kind == "DELETED":
            continue
        document = change.document
        if change.version in history.exempt:
            before.pop(document["metadata"]["uid"], None)
            continue
        status = document.get("status") or {}
        done = {(s["id"], s["key"]) for s in status.get("stages") or () if s.get("committed")}
        found += [
            f"{stage} is committed in the status at version {change.version} and not in the store"
            for stage, key in sorted(done)
            if stage != PREPARE and key not in written
        ]
        uid, plan = document["metadata"]["uid"], _plan(status)
        last, known = before.get(uid, (plan, set()))
        if last == plan and not known <= done:
            lost = ", ".join(sorted(stage for stage, _ in known - done))
            found.append(f"version {change.version} does not report {lost} as committed any more")
        before[uid] = (plan, done)
    return found


def _plan(status: Json) -> Any:
    """Return what decides about the stages of a run: its generation, and whether it is prepared."""
    return status.get("observedGeneration", -1), "prepared" in (status.get("resolved") or {})
