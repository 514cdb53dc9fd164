"""Only the holder of the Lease writes, and nobody takes the Lease of an operator that may write.

Times are those of the server's clock. A holder counts from before its write of the Lease, so the
Lease has not expired when one of its writes arrives. Events are for people, and are written without
the Lease. Another client may change the Lease without renewing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ..api_server import Change, Json
from ..connection import WRITES, Request
from ..history import History
from .disturbances import has_wrong_clock

LEASES, EVENTS = "leases", "/events"
ERROR_SECONDS = 1.0
"""Times in a Lease have whole seconds."""


def violations(history: History) -> list[str]:
    """Return the writes of operators that did not hold the Lease, and the Leases taken early."""
    leases = list(_renewals(history.changes))
    early = list(_early(leases))
    # A Lease that is long over by the wall clock can be taken at once, and that clock may be wrong.
    if early and has_wrong_clock(history):
        return []
    return [*_without_lease(history.requests, leases), *early]


def _renewals(changes: tuple[Change, ...]) -> Iterator[Change]:
    """Yield the changes of the Lease by its holders."""
    for change in changes:
        if change.resource == LEASES:
            before = change.before or {}
            if before.get("spec") != change.document.get("spec"):
                yield change


def _without_lease(requests: tuple[Request, ...], leases: list[Change]) -> Iterator[str]:
    position, held, renewed = 0, None, 0.0
    for one in requests:
        while position < len(leases) and leases[position].version <= one.version:
            held, position = leases[position], position + 1
            renewed = held.at
        if f"/{LEASES}" in one.path and one.method in WRITES and one.status < 300:
            # A clock that is set back may write the same time again, which changes nothing.
            renewed = one.at
        if one.method not in WRITES or one.status >= 300 or _needs_none(one):
            continue
        holds = held is not None and _holder(held.document) == one.operator
        if not holds or held is None or one.at - renewed > _seconds(held.document) + ERROR_SECONDS:
            text = f"{one.operator} sends {one.method} {one.path} at {one.at:.1f} s"
            yield f"{text} without the Lease"


def _needs_none(request: Request) -> bool:
    path = request.path.partition("?")[0]
    return f"/{LEASES}" in path or path.endswith(EVENTS)


def _early(leases: list[Change]) -> Iterator[str]:
    for before, after in pairwise(leases):
        holders = _holder(before.document), _holder(after.document)
        if "" in holders or holders[0] == holders[1]:
            continue
        if after.at - before.at < _seconds(before.document) - ERROR_SECONDS:
            yield f"{holders[1]} takes the Lease of {holders[0]} after {after.at - before.at:.1f} s"


def _holder(lease: Json) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _seconds(lease: Json) -> float:
    return float(lease["spec"]["leaseDurationSeconds"])
