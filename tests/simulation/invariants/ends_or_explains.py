"""Every run ends within the bound, and says why whenever it does not go on.

A person retries runs that fail or stall, so each run can succeed after the last fault.
"""

from __future__ import annotations

from ..history import History


def violations(history: History) -> list[str]:
    """Return the runs that have not ended, and those that were silent."""
    found = [
        f"{one.run} says {one.phase} from {one.since:.0f} s on, and nothing is at work for it"
        for one in history.unexplained
    ]
    for final in history.final:
        status = final.run.get("status") or {}
        if status.get("phase") != "Succeeded":
            ready = [c for c in status.get("conditions") or () if c["type"] == "Ready"]
            why = f"{ready[0]['reason']}: {ready[0]['message'][:200]}" if ready else "no condition"
            name = final.run["metadata"]["name"]
            found.append(f"{name} has not succeeded: {status.get('phase')}, {why}")
    return found
