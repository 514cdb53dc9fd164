"""The status of a run as a reader sees it now.

The driver stores the status while it runs, so a driver that was stopped or killed leaves `Running`
behind. A reader therefore derives the phase: if the run has not ended and no process of this
machine executes it, the phase is `Interrupted`. The stored locations contain the store's location
at the time of the run. A reader replaces it by the location at which it has found the store.
"""

from __future__ import annotations

from typing import Any

from isheep.contract.choices import ShownPhase
from isheep.local.conclusion import conclusion_of
from isheep.planner.types import RunView

INTERRUPTED: ShownPhase = "Interrupted"


def shown_phase(run: RunView, *, executed: bool) -> ShownPhase:
    """Return the phase of a run; `executed` is True if a process of this machine executes it."""
    if executed or conclusion_of(run.status, run.generation) is not None:
        return run.status.phase or "Pending"
    return INTERRUPTED


def shown_status(
    run: RunView, *, executed: bool, store_uri: str, report_uri: str | None
) -> dict[str, Any]:
    """Return the status as JSON values, with the phase and the locations that are true now.

    Args:
        run: The run with its stored status.
        executed: Whether a process of this machine executes the run.
        store_uri: The location of the store now.
        report_uri: The location of the newest report now, or None if there is no report.
    """
    document = run.status.document() | {"phase": shown_phase(run, executed=executed)}
    for place in (document, document.get("best", {})):
        for name in ("modelUri", "lastModelUri"):
            if name in place:
                place[name] = relocated(place[name], run.namespace, store_uri)
    document.pop("reportUri", None)
    return document if report_uri is None else document | {"reportUri": report_uri}


def relocated(uri: str, namespace: str, store_uri: str) -> str:
    """Return the location of an artifact of the namespace in the store as it is found now."""
    _, found, rest = uri.rpartition(f"/{namespace}/stages/")
    return f"{store_uri}{found}{rest}" if found else uri
