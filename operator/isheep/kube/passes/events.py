"""Events: the transitions of a run that `kubectl describe` shows, from two statuses.

The operator creates Events after it has written the status, so an Event never contains more than
the object. If the process ends in between, the Event is lost; Events are for people only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from isheep.api.run import GROUP, KIND, RETRY_ANNOTATION, VERSION
from isheep.api.status import Failure, SelfAlignmentRunStatus, StageRecord
from isheep.contract.reasons import Reason
from isheep.kube.names import MANAGED_BY
from isheep.planner.expiry import EXPIRING
from isheep.planner.restart import retries_nothing
from isheep.planner.types import RunView

MESSAGE_CHARACTERS = 1000
SUMMED_FROM = 4
"""From this number of new commits on there is one Event, because prepare found the stages."""
NOTHING_TO_RETRY = "NothingToRetry"
"""The reason of the Event about a retry annotation that has no effect."""

EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Note:
    """The content of one Event."""

    type: EventType
    reason: str
    message: str


def transitions(before: SelfAlignmentRunStatus, after: SelfAlignmentRunStatus) -> list[Note]:
    """Return the transitions between two statuses, in the order of their Events."""
    notes = _commits(before.stages, after.stages)
    failure = after.last_failure
    if failure is not None and _told(failure) != _told(before.last_failure):
        place = f"{failure.stage} ({failure.pod})" if failure.pod else failure.stage
        notes.append(Note("Warning", failure.reason, f"{place}: {failure.message}"))
    if retries_nothing(before, after):
        notes.append(Note("Normal", NOTHING_TO_RETRY, _nothing_to_retry(before)))
    old, new = _ready(before), _ready(after)
    needs_help = after.phase in ("Stalled", "Failed")
    moved = before.phase != after.phase or (needs_help and old[0] != new[0])
    if new[0] == Reason.SIDECAR_RUNNING != old[0]:
        notes.append(Note("Warning", *new))
    kept = _not_expiring(after)
    if kept is not None and kept != _not_expiring(before):
        notes.append(Note("Warning", *kept))
    if moved and after.phase is not None:
        kind: EventType = "Warning" if needs_help else "Normal"
        notes.append(Note(kind, new[0] if needs_help else after.phase, new[1] or after.phase))
    return notes


def event_document(note: Note, run: RunView, instance: str, now: datetime) -> dict[str, Any]:
    """Return the Event for a note about a run, as an object of the core API."""
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
    """Return an Event for a dry run, which every namespace accepts unless it is terminating."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "isheep-probe", "namespace": namespace},
        "involvedObject": {"namespace": namespace},
        "reason": "Probe",
        "type": "Normal",
    }


def _nothing_to_retry(status: SelfAlignmentRunStatus) -> str:
    remedy = "a retry is for a run that is Stalled or Failed, or whose measurements have failed"
    if status.phase == "Suspended":
        remedy = "set spec.suspend to false, and the run goes on"
    return (
        f"the annotation {RETRY_ANNOTATION} has no effect on a run that is {status.phase}: {remedy}"
    )


def _told(failure: Failure | None) -> tuple[str, ...]:
    """Return what an Event tells about a failure; the same failure of another pod is no news."""
    if failure is None:
        return ()
    message = failure.message.replace(failure.pod, "") if failure.pod else failure.message
    return failure.stage, failure.reason, message


def _commits(before: Iterable[StageRecord], after: Iterable[StageRecord]) -> list[Note]:
    known = {(record.id, record.key) for record in before if record.committed}
    new = [r for r in after if r.committed and (r.id, r.key) not in known]
    if len(new) >= SUMMED_FROM:
        message = f"{len(new)} stages, up to {new[-1].id}, exist already"
        return [Note("Normal", "StagesFound", message)]
    return [Note("Normal", "StageCommitted", record.id) for record in new]


def _not_expiring(status: SelfAlignmentRunStatus) -> tuple[str, str] | None:
    """Return why a run that has ended is not deleted although its spec asks for it."""
    found = (c for c in status.conditions if c.type == EXPIRING and c.status == "False")
    return next(((c.reason, c.message) for c in found), None)


def _ready(status: SelfAlignmentRunStatus) -> tuple[str, str]:
    ready = next((c for c in status.conditions if c.type == "Ready"), None)
    return (ready.reason, ready.message) if ready is not None else ("", "")
