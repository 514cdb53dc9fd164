"""No Job is created for a run that is gone, as far as the operator can know that it is gone.

A watch that is late, silent or opened again may not report a deletion. Then the next LIST finds it.
"""

from __future__ import annotations

from ..api_server import JOBS, RUNS
from ..history import History
from ..readings import HISTORY_LOST
from .disturbances import calm_times

KNOWN_SECONDS = 30.0
"""When each operator process knows of a deletion: the time of a watch, and of passes at work."""
CALM_SECONDS = 2.0
"""The same if no request takes long: a watch needs less than half a second."""
LISTED_SECONDS = 400.0
"""The same if a watch has lost the deletion: the time between two LISTs, and of passes at work."""
UNKNOWN = (*HISTORY_LOST, "'delay'", "'partition'")
"""What delays or loses an event, as the log of faults names it."""


def violations(history: History) -> list[str]:
    """Return the Jobs that were created for a run that was gone."""
    lost = any(name in text for _, text in history.faults for name in UNKNOWN)
    calm = calm_times(history)
    gone: dict[str, float] = {}
    found = []
    for change in history.changes:
        metadata = change.document["metadata"]
        if change.resource == RUNS and change.kind == "DELETED":
            gone[metadata["uid"]] = change.at
        if change.resource == JOBS and change.kind == "ADDED":
            since = gone.get(metadata["ownerReferences"][0]["uid"], change.at)
            known = calm.after(since, LISTED_SECONDS) if lost else since + KNOWN_SECONDS
            known = min(known, calm.after(since, CALM_SECONDS))
            if change.at > known:
                late = change.at - since
                found.append(f"{metadata['name']} was created {late:.0f} s after its run was gone")
    return found
