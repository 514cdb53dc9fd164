"""A run says what its measurements lack, and that its newest verdict has an alarm of a guard.

docs/reference/conditions.md promises the conditions: Degrading=True while the newest verdict has an
alarm, and Evaluated=False while the run goes on without a measurement that has failed.
"""

from __future__ import annotations

from ...control_plane.harness.invariants import conditions_of
from ..api_server import RUNS, Json
from ..history import History

AT_WORK = ("Pending", "Running", "Succeeded")


def violations(history: History) -> list[str]:
    """Return the versions of runs with a warning that their stages do not have, or without one."""
    found = []
    last: dict[str, Json] = {}
    for change in history.changes:
        if change.resource != RUNS:
            continue
        uid, status = change.document["metadata"]["uid"], change.document.get("status") or {}
        if status is last.get(uid) or "prepared" not in (status.get("resolved") or {}):
            continue
        last[uid] = status
        if status.get("phase") not in AT_WORK:
            continue
        shown = conditions_of(change.document)
        stages = status.get("stages") or ()
        verdicts = [s for s in stages if s["id"].endswith("/verdict") and s.get("committed")]
        alarm = bool(verdicts) and bool((verdicts[-1].get("counts") or {}).get("alarms"))
        failed = any(stage.get("failure") for stage in stages)
        for name, value, wanted in (("Degrading", "True", alarm), ("Evaluated", "False", failed)):
            if ((shown.get(name) or {}).get("status") == value) != wanted or (
                name in shown and not wanted
            ):
                found.append(f"version {change.version} has {name} {shown.get(name)}")
    return found
