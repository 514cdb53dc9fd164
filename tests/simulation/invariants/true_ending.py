"""The status of a run that has ended names its end, its last model and its report.

`same_outcome` compares with a run that the same planner has planned. This invariant knows from the
spec and the store what the status must contain.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..api_server import RUNS, Change, Json
from ..history import History

MAKERS = ("train", "merge")


def violations(history: History) -> list[str]:
    """Return what is wrong in the statuses of runs that have ended or go on."""
    found = [text for change in history.changes for text in _of_version(change)]
    for final in history.final:
        status = final.run.get("status") or {}
        if status.get("phase") == "Succeeded":
            name = final.run["metadata"]["name"]
            found += [f"{name} has ended with {why}" for why in _of_end(final.run, status)]
    return found


def _of_version(change: Change) -> Iterator[str]:
    """Yield what no version of a run's status may contain."""
    if change.resource != RUNS or change.kind == "DELETED":
        return
    status, version = change.document.get("status") or {}, change.version
    stage = status.get("stage") or {}
    if (stage.get("itemsDone") or 0) > (stage.get("itemsTotal") or float("inf")):
        yield f"version {version} has made more items than there are"
    over = status.get("phase") in ("Succeeded", "Failed")
    if over != ("completionTime" in status):
        yield f"version {version} is {status.get('phase')} with completionTime {over}"
    if over and stage:
        yield f"version {version} has ended and shows the stage {stage.get('id')}"


def _of_end(run: Json, status: Json) -> Iterator[str]:
    last = run["spec"]["iterations"]
    if (status.get("progress"), status.get("iteration")) != (f"{last}/{last}", last):
        yield f"the progress {status.get('progress')} of {last} iterations"
    records = [one["iteration"] for one in status.get("history") or () if one["iteration"]]
    if records != list(range(1, last + 1)):
        yield f"the history of the iterations {records}"
    keys = {s["id"]: s["key"] for s in status.get("stages") or ()}
    made = [keys[i] for i in (f"i{last}/{kind}" for kind in MAKERS) if i in keys]
    for name, wanted in (
        ("modelUri", made[-1:]),
        ("lastModelUri", made[-1:]),
        ("reportUri", [key for stage, key in keys.items() if stage.endswith("report")][-1:]),
    ):
        if not wanted or wanted[0] not in (status.get(name) or ""):
            yield f"the {name} {status.get(name)}"
