"""An operator process never writes a status for an older version than an answer has told it.

A watch may deliver an old version after the answer to a write. The process must keep the newer one:
otherwise it plans with an old status, and its write conflicts.
"""

from __future__ import annotations

from ..history import History


def violations(history: History) -> list[str]:
    """Return the writes of statuses with a version that their process knows to be old."""
    known: dict[tuple[int, str], int] = {}
    noted = 0
    found = []
    runs = {c.version: str(c.document["metadata"]["uid"]) for c in history.changes}
    writes = [request for request in history.requests if request.method == "PATCH"]
    # A request that takes longer may arrive after one that was sent later.
    for request in sorted(writes, key=lambda request: request.received):
        for one in history.received[noted : request.received]:
            place = (one.process, one.uid)
            known[place] = max(one.version, known.get(place, 0))
        noted = request.received
        version = int(request.body["metadata"].get("resourceVersion", 0))
        newest = known.get((request.process, runs.get(version, "")), 0)
        if version < newest:
            text = f"writes for the version {version} and has seen {newest}"
            found.append(f"{request.operator} {text} at {request.at:.1f} s")
    return found
