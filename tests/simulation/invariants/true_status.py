"""The status is true: conditions agree with the phase and with kstatus, and nothing is missing."""

from __future__ import annotations

from ...control_plane.harness.invariants import check_runs, conditions_of
from ..api_server import RUNS, Change
from ..history import History
from .one_job import versions

SUSPENDED = ("Suspended", "Succeeded", "Failed")
"""The phases of a run that is suspended; one that has ended stays so."""


def violations(history: History) -> list[str]:
    """Return the versions of runs with a status that contradicts itself or the store."""
    found = [
        text
        for change in history.changes
        if change.resource == RUNS and change.kind != "DELETED"
        for text in _untrue(change)
    ]
    try:
        # A status that somebody has emptied stays so until the next pass.
        known = [v for v in versions(history, RUNS) if v.document.get("status") != {}]
        check_runs(known)
    except AssertionError as error:
        found.append(str(error).partition("\n")[0])
    return found


def _untrue(change: Change) -> list[str]:
    document, status = change.document, change.document.get("status") or {}
    answers = status.get("observedGeneration") == document["metadata"]["generation"]
    if answers and document["spec"].get("suspend") and status.get("phase") not in SUSPENDED:
        return [f"version {change.version} is suspended and says {status.get('phase')}"]
    complete = conditions_of(change.document).get("Complete")
    if complete is None or complete["status"] != "True":
        return []
    missing = [s["id"] for s in status["stages"] if not s.get("committed") and not s.get("failure")]
    if missing or status.get("phase") != "Succeeded":
        return [f"version {change.version} is Complete without {', '.join(missing) or 'its phase'}"]
    return []
