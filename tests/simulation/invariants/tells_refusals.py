"""A run whose Job is refused says why, and the operator tries again after a wait that grows.

docs/reference/conditions.md has the reasons. A quota that is raised, or a webhook that answers
again, lets a run continue within a minute (`kube/passes/rejections.py`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import urlsplit

from isheep.contract.reasons import Reason

from ..api_server import JOBS, RUNS, Change, Json
from ..connection import Request
from ..history import History
from .disturbances import calm_times
from .job_states import ready_reason
from .open_requests import is_open
from .true_failure import UID_LABEL

WAITS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""The waits after refusals in a row; the last one repeats."""
LATE_SECONDS = 3.0
"""How late a try may be, and how soon a status has the reason."""
SEEN_SECONDS = 0.5
"""How long an edit may be unseen by an operator that nothing disturbs."""
EARLY_SECONDS = 1.1
"""The operator knows the time in whole seconds."""


def violations(history: History) -> list[str]:
    """Return the refusals that a run does not name, and the next tries at wrong times."""
    if not any(request.refusal for request in history.requests):
        return []
    return [*_unnamed(history), *_wrong_waits(history)]


def _tries(history: History) -> list[Request]:
    """Return the requests that create Jobs."""
    return [
        one
        for one in history.requests
        if one.method == "POST" and urlsplit(one.path).path.endswith("/jobs")
    ]


def _run(request: Request) -> str:
    return str(request.body["metadata"]["labels"][UID_LABEL])


def _unnamed(history: History) -> Iterator[str]:
    """Yield the refusals that the status of the run does not have soon after."""
    calm = calm_times(history, refusals=False)
    versions: defaultdict[str, list[Change]] = defaultdict(list)
    jobs: dict[str, list[Json]] = {}
    for change in history.changes:
        if change.resource == RUNS:
            versions[change.document["metadata"]["uid"]].append(change)
        elif change.resource == JOBS and change.kind == "ADDED":
            owner = change.document["metadata"]["labels"].get(UID_LABEL, "")
            jobs.setdefault(owner, []).append({"at": change.at})
    for request in _tries(history):
        end = request.at + LATE_SECONDS
        if request.refusal is None or not calm.holds(request.at - LATE_SECONDS, end):
            continue
        own = versions[_run(request)]
        place = bisect_right([change.at for change in own], end)
        recent = [change for change in own[:place] if change.at >= request.at - LATE_SECONDS]
        edited = any(_asks(change) for change in (own[place - 1], *recent))
        if edited or any(one["at"] >= request.at for one in jobs.get(_run(request), ())):
            continue
        said = ready_reason(own[place - 1].document)
        if said != request.refusal.reason:
            name = request.body["metadata"]["name"]
            yield f"{name} is refused for {request.refusal.reason}, and its run says {said}"


def _asks(change: Change) -> bool:
    """Return whether somebody wants something else of a run, or has deleted it."""
    run = change.document
    return (
        change.kind == "DELETED" or bool(run["spec"].get("suspend")) or any(is_open(run).values())
    )


def _edits(history: History) -> defaultdict[str, list[float]]:
    """Return when somebody has asked each run for something, or it waited for another one."""
    known: dict[str, Json] = {}
    found: defaultdict[str, list[float]] = defaultdict(list)
    for change in history.changes:
        metadata = change.document["metadata"]
        if change.resource != RUNS:
            continue
        waits = ready_reason(change.document) in (Reason.WAITING_FOR_PEER, Reason.RUN_LIMIT)
        asked = {name: metadata.get(name) for name in ("generation", "annotations", "labels")}
        if waits or known.get(metadata["uid"]) != asked:
            known[metadata["uid"]] = asked
            found[metadata["uid"]].append(change.at)
    return found


def _wrong_waits(history: History) -> Iterator[str]:
    """Yield the tries that come too early or too late after a refusal."""
    calm = calm_times(history, refusals=False)
    edits = _edits(history)
    last: dict[tuple[int, str], Request] = {}
    # The refusals since an edit that the operator has seen, or that it may have seen, and all.
    seen, maybe, total = (defaultdict[tuple[int, str], int](int) for _ in range(3))
    for request in _tries(history):
        name = str(request.body["metadata"]["name"])
        place = request.process, name
        before = last.pop(place, None)
        asked = edits[_run(request)]
        end = bisect_right(asked, request.at)
        begin = request.at if before is None else before.at
        # A run that is suspended is forgotten, and its refusals with it.
        if before is None or bisect_left(asked, begin) != end:
            seen[place] = 0
        same = before is not None and bisect_left(asked, begin - SEEN_SECONDS) == end
        if not same:
            maybe[place] = 0
        if before is not None and same and calm.holds(before.at, request.at):
            # An edit tries at once, and may begin to count again.
            counts = {count[place] for count in (seen, maybe, total)}
            wait, waits = request.at - before.at, [WAITS[min(n, len(WAITS)) - 1] for n in counts]
            if not any(-EARLY_SECONDS <= wait - wanted <= LATE_SECONDS for wanted in waits):
                yield f"{name} is tried again after {wait:.1f} s instead of {max(waits):.0f} s"
        for count in (seen, maybe, total):
            count[place] = count[place] + 1 if request.refusal is not None else 0
        if request.refusal is not None:
            last[place] = request
