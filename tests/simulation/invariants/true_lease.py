"""The Lease says who may write, since when, and for how long.

A holder writes the duration of the configuration and the time of its clock. The time at which it
took the Lease stays while it renews the Lease, and each change of the holder is counted
(docs/architecture.md). A release changes the holder only.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..api_server import Json
from ..history import History
from .disturbances import has_wrong_clock
from .keeps_waiting import seconds_of

LEASES = "leases"
DURATION_SECONDS = 22
ERROR_SECONDS = 35.0
"""A request for the Lease has its effect this long after it was made, at the latest."""


def violations(history: History) -> list[str]:
    """Return the writes of the Lease that are wrong."""
    return list(_wrong(history))


def _wrong(history: History) -> Iterator[str]:
    exact = not has_wrong_clock(history)
    for change in history.changes:
        if change.resource != LEASES or change.kind == "DELETED":
            continue
        before, now = (change.before or {}).get("spec"), change.document["spec"]
        if before == now:
            # Somebody has changed the labels or the annotations.
            continue
        if before is not None and not now["holderIdentity"]:
            expected = {**before, "holderIdentity": ""}
        else:
            expected = _held(before, now)
        if now != expected:
            yield f"version {change.version} of the Lease is {now}, and not {expected}"
        elif now["holderIdentity"] and exact:
            late = change.at - seconds_of(now["renewTime"])
            if not -1.0 <= late <= ERROR_SECONDS:
                yield f"version {change.version} of the Lease is renewed {late:.0f} s before it"


def _held(before: Json | None, now: Json) -> Json:
    """Return the Lease that a holder writes; its name and the time are its own."""
    same = before is not None and before["holderIdentity"] == now["holderIdentity"]
    count = 0 if before is None else before["leaseTransitions"] + (not same)
    taken = before["acquireTime"] if same and before is not None else now["renewTime"]
    return {
        "holderIdentity": now["holderIdentity"],
        "leaseDurationSeconds": DURATION_SECONDS,
        "acquireTime": taken,
        "renewTime": now["renewTime"],
        "leaseTransitions": count,
    }
