"""What a run has made stays in its status: its models, its report and its times.

The newest model is the output of the last stage that makes one, and without `best.metric` it is the
best one, too. Neither disappears once there is a model. The work starts when the run is first
planned, or goes on after a suspension or a retry, or after an edit of a run that had ended. Nothing
else sets the time (`planner/deadline.py`), and the time of the end stays while the run is over.
The stage at work has the key of its record, and `iteration` and `progress` belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from isheep.contract.stage_ids import iteration_of

from ..api_server import RUNS, Json
from ..history import History
from ..readings import measures
from .disturbances import has_wrong_clock
from .keeps_waiting import seconds_of
from .open_requests import RETRY

FOLDER = "s3://bucket/some/prefix/ns/stages"
OVER = ("Succeeded", "Failed")
RETRIED = ("Failed", "Stalled")
KEPT = ("modelUri", "lastModelUri", "best", "reportUri", "lastFailure", "resolved")
"""What never disappears."""
LATE_SECONDS = 90.0
"""How long after a plan its status is written at the latest: a request or two that hang."""


def violations(history: History) -> list[str]:
    """Return the versions of runs whose results or times are wrong."""
    return [f"version {version} {what}" for version, what in _wrong_versions(history)]


def _wrong_versions(history: History) -> Iterator[tuple[int, str]]:
    exact = not has_wrong_clock(history)
    last: dict[str, Json] = {}
    asked: dict[str, float] = {}
    for change in history.changes:
        if change.resource != RUNS:
            continue
        uid, status = change.document["metadata"]["uid"], change.document.get("status") or {}
        if change.before is not None and _request(change.document) != _request(change.before):
            asked[uid] = change.at
        if change.version in history.exempt:
            last.pop(uid, None)
            continue
        before = last.get(uid)
        if status is before or "phase" not in status:
            continue
        last[uid] = status
        found = [*_wrong_results(before or {}, status), *_wrong_stage(status)]
        suspended = bool(change.document["spec"].get("suspend"))
        found += _wrong_times(before or {}, status, change.at if exact else None, suspended)
        # A suspended run begins nothing. The times of the operator have whole seconds.
        if not suspended and _still_begun(before or {}, status, asked.get(uid, change.at) // 1):
            found.append(f"goes on, and still has the startTime {status['startTime']}")
        for what in found:
            yield change.version, what


def _request(run: Json) -> tuple[Any, Any]:
    """Return what somebody asks of a run: its generation, and its retry."""
    metadata = run["metadata"]
    return metadata["generation"], (metadata.get("annotations") or {}).get(RETRY)


def _wrong_results(before: Json, now: Json) -> Iterator[str]:
    for name in KEPT:
        if name in before and name not in now:
            yield f"has no {name} any more"
    stages = now.get("stages")
    if stages is before.get("stages") and now.get("lastModelUri") is before.get("lastModelUri"):
        return
    made = [s for s in stages or () if s.get("committed") and _makes_model(s["id"])]
    merges = any(s["id"].endswith("/merge") for s in stages or ())
    made = [s for s in made if s["id"].endswith("/merge") or not merges]
    newest = f"{FOLDER}/{made[-1]['key']}/files" if made else before.get("lastModelUri")
    if now.get("lastModelUri") != newest and (merges or not made):
        yield f"has the newest model {now.get('lastModelUri')}, and not {newest}"
    best = now.get("best")
    if made and best is not None:
        wanted = (iteration_of(made[-1]["id"]), now.get("lastModelUri"))
        shown = (best["iteration"], best.get("modelUri"))
        if merges and (shown != wanted or now.get("modelUri") != best.get("modelUri")):
            yield f"has the best model {shown}, and not {wanted}"
        if not best.get("note"):
            yield "does not say why its best model is the best one"


def _makes_model(stage: str) -> bool:
    return stage.endswith(("/merge", "/train"))


def _wrong_stage(now: Json) -> Iterator[str]:
    stage = now.get("stage")
    shown = now["phase"] == "Succeeded" or stage is not None
    for name in ("iteration", "progress"):
        if (now.get(name) is not None) != shown:
            yield f"has the {name} {now.get(name)}, the phase {now['phase']} and the stage {stage}"
    if stage is None:
        return
    record = next((s for s in now.get("stages") or () if s["id"] == stage["id"]), None)
    if record is not None and record["key"] != stage["key"]:
        yield f"shows {stage['id']} with the key {stage['key']}, and not {record['key']}"
    own = iteration_of(stage["id"])
    if now.get("iteration") not in (own, own + measures(stage["id"])):
        yield f"is in iteration {now.get('iteration')}, and at {stage['id']}"
    if (stage.get("itemsDone") or 0) > (stage.get("itemsTotal") or 0):
        yield f"has done {stage['itemsDone']} of {stage.get('itemsTotal')} items"


def _wrong_times(before: Json, now: Json, at: float | None, suspended: bool) -> Iterator[str]:
    edited = before.get("observedGeneration") != now.get("observedGeneration")
    retried = before.get("lastHandledRetry") != now.get("lastHandledRetry")
    over = before.get("phase") in OVER
    # An edit of a run that goes on does not extend its deadline.
    restarts = retried or (edited and over)
    pauses = now["phase"] == "Suspended" or _waits_for_place(before)
    for name, free in (
        ("startTime", restarts or pauses),
        ("completionTime", edited or retried or now["phase"] not in OVER or not over),
    ):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if old is not None and not free:
            yield f"has the {name} {new} after {old}"
        if new is not None and at is not None and not -1.0 <= at - seconds_of(new) <= LATE_SECONDS:
            yield f"has the {name} {new}, {at - seconds_of(new):.0f} s ago"
    if now["phase"] == "Running" and "startTime" not in now and not _waits_for_place(now):
        yield f"is {now['phase']} without the time of its start"


def _still_begun(before: Json, now: Json, asked: float) -> bool:
    """Return whether a run that goes on again has a start from before somebody asked for it."""
    begun = now.get("startTime")
    if begun is None or begun != before.get("startTime") or seconds_of(begun) >= asked:
        return False
    edited = before.get("observedGeneration") != now.get("observedGeneration")
    retried = before.get("lastHandledRetry") != now.get("lastHandledRetry")
    phase = before.get("phase")
    return (edited and phase in OVER) or (retried and phase in RETRIED)


def _waits_for_place(status: Json) -> bool:
    return any(c.get("reason") == "RunLimit" for c in status.get("conditions") or ())
