"""The status of a run that has ended names its end, its last model and its report.

`same_outcome` compares with a run that the same planner has planned. This invariant knows from the
spec and the store what the status must contain.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.contract.choices import VERDICT_ACTIONS
from isheep.contract.reasons import Reason

from ..api_server import RUNS, Change, Json
from ..history import History
from .disturbances import has_act
from .job_states import ready_reason

MAKERS = ("train", "merge")


def violations(history: History) -> list[str]:
    """Return what is wrong in the statuses of runs that have ended or go on."""
    found = [text for change in history.changes for text in _of_version(change)]
    edited = has_act(history, "edit")
    for final in history.final:
        status = final.run.get("status") or {}
        if status.get("phase") == "Succeeded":
            name = final.run["metadata"]["name"]
            found += [f"{name} has ended with {why}" for why in _of_end(final.run, status)]
            if "safeguards" in final.run["spec"] and not edited and not history.exempt:
                found += [f"{name} has ended with {why}" for why in _of_writers(status)]
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
    shows = status.get("phase") in ("Pending", "Running") and "resolved" in status
    if shows and not stage:
        yield f"version {version} is {status.get('phase')} and shows no stage"
    if over and stage:
        yield f"version {version} has ended and shows the stage {stage.get('id')}"


def _of_end(run: Json, status: Json) -> Iterator[str]:
    last = wanted = run["spec"]["iterations"]
    progress = f"{last}/{last}"
    if ready_reason(run) == Reason.STOPPED_EARLY:
        # An alarm of a guard ends the run before its last iteration.
        last = sum(kind in MAKERS[:1] for kind in _kinds(status))
        progress = f"{last}/{wanted} stopped early"
        if not _stops(status):
            yield "an early stop that no verdict asks for"
    if (status.get("progress"), status.get("iteration")) != (progress, last):
        yield f"the progress {status.get('progress')} of {wanted} iterations"
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


def _of_writers(status: Json) -> Iterator[str]:
    """Yield that other models have written the iterations than the verdicts have decided.

    M(t) writes iteration t + 1. After an alarm, the model that has written iteration t does so.
    """
    actions = {
        stage["id"]: (stage.get("counts") or {}).get("action", 0.0)
        for stage in status["stages"]
        if stage["id"].endswith("/verdict")
    }
    wanted: list[int] = []
    for t in range(sum(kind == "train" for kind in _kinds(status))):
        rolls_back = actions.get(f"i{t}/verdict") == VERDICT_ACTIONS.index("RollBack")
        wanted.append(wanted[-1] if rolls_back else t)
    writers = (status.get("resolved") or {}).get("writers")
    if writers != wanted:
        yield f"the writers {writers} and not {wanted}"


def _kinds(status: Json) -> list[str]:
    return [stage["id"].split("/")[-1] for stage in status.get("stages") or ()]


def _stops(status: Json) -> bool:
    """Return whether the newest verdict has an alarm after which the run must stop."""
    verdicts = [s for s in status["stages"] if s["id"].endswith("/verdict")]
    counts = verdicts[-1].get("counts", {}) if verdicts else {}
    return bool(counts.get("alarms")) and counts.get("action") == VERDICT_ACTIONS.index("Stop")
