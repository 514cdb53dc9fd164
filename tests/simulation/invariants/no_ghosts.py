"""No Job is created for a run that is gone, as far as the operator can know that it is gone.

A watch that is late, silent or opened again may not report a deletion. Then the next LIST finds it.
"""

from __future__ import annotations

from ..api_server import JOBS, RUNS
from ..history import History

KNOWN_SECONDS = 30.0
"""When each operator process knows of a deletion: the time of a watch, and of passes at work."""
UNKNOWN = ("'silence'", "'delay'", "'partition'", "'compact'", "410")
"""What delays or loses an event, as the log of faults names it."""


def violations(history: History) -> list[str]:
    """Return the Jobs that were created for a run that was gone."""
    if any(name in text for _, text in history.faults for name in UNKNOWN):
        return []
    gone: dict[str, float] = {}
    found = []
    for change in history.changes:
        metadata = change.document["metadata"]
        if change.resource == RUNS and change.kind == "DELETED":
            gone[metadata["uid"]] = change.at
        if change.resource == JOBS and change.kind == "ADDED":
            late = change.at - gone.get(metadata["ownerReferences"][0]["uid"], change.at)
            if late > KNOWN_SECONDS:
                found.append(f"{metadata['name']} was created {late:.0f} s after its run was gone")
    return found
