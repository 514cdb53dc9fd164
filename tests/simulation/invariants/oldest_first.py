"""Of two runs that want the same stage, the older one makes it, and the younger one waits.

A run wants a stage that its status names as next, and that nobody has committed. A run that is
Stalled, or that waits for another run, wants nothing. The operator knows the wishes of all runs a
while after it has started.
"""

from __future__ import annotations

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, RUNS, Json
from ..history import History
from .disturbances import FOREVER, calm_times
from .true_failure import UID_LABEL

CALM_SECONDS = 20.0
"""How long nothing may have disturbed the operator before a Job begins."""
WANTS = ("Pending", "Running")
WAITS = ("WaitingForPeer", "RunLimit")


def violations(history: History) -> list[str]:
    """Return the Jobs of younger runs for stages that an older run wanted."""
    calm = calm_times(history)
    runs: dict[str, Json] = {}
    made = {one.key: one.at for one in reversed(history.commits)}
    found = []
    for change in history.changes:
        metadata = change.document["metadata"]
        if change.resource == RUNS:
            runs[metadata["uid"]] = change.document
            if change.kind == "DELETED":
                del runs[metadata["uid"]]
        elif change.resource == JOBS and change.kind == "ADDED":
            own = runs.get(metadata["labels"].get(UID_LABEL, ""))
            stage, key = steps_of(change.document)[0]
            is_made = made.get(key, FOREVER) <= change.at
            if own is None or is_made or not calm.holds(change.at - CALM_SECONDS, change.at):
                continue
            found += [
                f"{metadata['name']} makes {stage}, and the older {_name(other)} wants it"
                for other in runs.values()
                if _age(other) < _age(own) and key in _wanted(other)
            ]
    return found


def _name(run: Json) -> str:
    return str(run["metadata"]["name"])


def _age(run: Json) -> tuple[str, str]:
    return run["metadata"]["creationTimestamp"], run["metadata"]["uid"]


def _wanted(run: Json) -> set[str]:
    status = run.get("status") or {}
    ready = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    wants = status.get("phase") in WANTS and ready.get("reason") not in WAITS
    if not wants or status.get("observedGeneration") != run["metadata"]["generation"]:
        return set()
    return {
        stage["key"]
        for stage in status.get("stages") or ()
        if stage["id"] != "prepare" and not stage.get("committed") and not stage.get("failure")
    }
