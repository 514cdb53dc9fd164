"""An operator process never writes a status for an older version than an answer has told it.

A watch may deliver an old version after the answer to a write. The process must keep the newer one:
otherwise it plans with an old status, and its write conflicts.
"""

from __future__ import annotations

from ..history import History


def violations(history: History) -> list[str]:
    """Return the writes of statuses with a version that their process knows to be old."""
    known: dict[tuple[int, str], int] = {}
    received = iter([*history.received, None])
    following = next(received)
    found = []
    runs = {c.version: str(c.document["metadata"]["uid"]) for c in history.changes}
    for count, request in enumerate(history.requests):
        while following is not None and following.requests <= count:
            place = (following.process, following.uid)
            known[place] = max(following.version, known.get(place, 0))
            following = next(received)
        if request.method != "PATCH":
            continue
        version = int(request.body["metadata"].get("resourceVersion", 0))
        newest = known.get((request.process, runs.get(version, "")), 0)
        if version < newest:
            text = f"writes for the version {version} and has seen {newest}"
            found.append(f"{request.operator} {text} at {request.at:.1f} s")
    return found
