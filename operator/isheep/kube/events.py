"""Events: what `kubectl describe` tells of a run's course, made from two statuses.

Only transitions are told, after the status that holds them was written, so that an
Event never says more than the object does. What is lost between the write and the
Event is lost: Events are for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from isheep.api.run import GROUP, KIND, VERSION
from isheep.api.status import SelfAlignmentRunStatus, StageRecord
from isheep.kube.names import MANAGED_BY
from isheep.planner.types import RunView

MESSAGE_CHARACTERS = 1000
SUMMED_FROM = 4
"""So many stages committed at once are one Event: they were found, not made."""


@dataclass(frozen=True, slots=True)
class Note:
    """One Event, before it is an object."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def transitions(before: SelfAlignmentRunStatus, after: SelfAlignmentRunStatus) -> list[Note]:
    """Return what happened between two statuses, in the order in which it is told."""
    notes = _commits(before.stages, after.stages)
    failure = after.last_failure
    if failure is not None and failure != before.last_failure:
        where = f"{failure.stage} ({failure.pod})" if failure.pod else failure.stage
        notes.append(Note("Warning", failure.reason, f"{where}: {failure.message}"))
    old, new = _speaker(before), _speaker(after)
    troubled = after.phase in ("Stalled", "Failed")
    moved = before.phase != after.phase or (troubled and old[0] != new[0])
    if moved and after.phase is not None:
        kind: Literal["Normal", "Warning"] = "Warning" if troubled else "Normal"
        notes.append(Note(kind, new[0] if troubled else after.phase, new[1] or after.phase))
    return notes


def event_document(note: Note, run: RunView, instance: str, now: datetime) -> dict[str, Any]:
    """Return a note about a run as an Event of the core API."""
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{run.name}.", "namespace": run.namespace},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "namespace": run.namespace,
            "name": run.name,
            "uid": run.uid,
        },
        "type": note.type,
        "reason": note.reason,
        "message": note.message[:MESSAGE_CHARACTERS],
        "source": {"component": MANAGED_BY},
        "reportingComponent": MANAGED_BY,
        "reportingInstance": instance,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }


def probe_document(namespace: str) -> dict[str, Any]:
    """Return an Event that is never made: what may be asked to be created in any namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "isheep-probe", "namespace": namespace},
        "involvedObject": {"namespace": namespace},
        "reason": "Probe",
        "type": "Normal",
    }


def _commits(before: Iterable[StageRecord], after: Iterable[StageRecord]) -> list[Note]:
    known = {(record.id, record.key) for record in before if record.committed}
    new = [r for r in after if r.committed and (r.id, r.key) not in known]
    if len(new) >= SUMMED_FROM:
        message = f"{len(new)} stages, up to {new[-1].id}, exist already"
        return [Note("Normal", "StagesFound", message)]
    return [Note("Normal", "StageCommitted", record.id) for record in new]


def _speaker(status: SelfAlignmentRunStatus) -> tuple[str, str]:
    ready = next((c for c in status.conditions if c.type == "Ready"), None)
    return (ready.reason, ready.message) if ready is not None else ("", "")
