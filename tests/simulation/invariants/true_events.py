"""The Events of a run tell what has happened to it (docs/how-to, Events).

Each move to another phase has an Event with the phase, or with the reason if a person must help. An
Event that a retry has no effect needs a retry that somebody has asked for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from ..api_server import EVENTS, RUNS
from ..history import History
from .disturbances import calm_times
from .job_states import ready_reason

NOTHING_TO_RETRY = "NothingToRetry"
SECONDS = 3.0
"""How soon an Event follows the write of a status."""
BEFORE_SECONDS = 1.0
HELP = ("Stalled", "Failed")


def violations(history: History) -> list[str]:
    """Return the Events without a cause, and the moves without an Event."""
    return [*_baseless(history), *_silent(history)][:5]


def _baseless(history: History) -> Iterator[str]:
    asked: defaultdict[str, set[str]] = defaultdict(set)
    told: Counter[str] = Counter()
    for change in history.changes:
        if change.resource == RUNS:
            metadata = change.document["metadata"]
            value = (metadata.get("annotations") or {}).get("isheep.dev/retry")
            asked[metadata["uid"]].update([value] if value else [])
        elif change.resource == EVENTS and change.document["reason"] == NOTHING_TO_RETRY:
            run = change.document["involvedObject"]["uid"]
            told[run] += 1
            # A write whose answer is lost is repeated, and so is its Event.
            if not asked[run]:
                yield f"an Event at {change.at:.1f} s says that a retry has no effect"


def _silent(history: History) -> Iterator[str]:
    """Yield the runs that move to another phase without an Event."""
    calm = calm_times(history)
    events: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for change in history.changes:
        if change.resource == EVENTS and change.kind == "ADDED":
            run = change.document["involvedObject"]["uid"]
            events[run].append((change.at, change.document["reason"]))
    phases: dict[str, str | None] = {}
    for change in history.changes:
        if change.resource != RUNS or change.kind == "DELETED":
            continue
        uid, status = change.document["metadata"]["uid"], change.document.get("status") or {}
        before, now = phases.get(uid), status.get("phase")
        phases[uid] = now
        if now in (None, before) or change.version in history.exempt or history.exempt:
            continue
        if not calm.holds(change.at - BEFORE_SECONDS, change.at + SECONDS):
            continue
        wanted = ready_reason(change.document) if now in HELP else now
        end = change.at + SECONDS
        if not any(change.at <= at <= end and reason == wanted for at, reason in events[uid]):
            yield f"version {change.version} is {now}, and no Event says {wanted}"
