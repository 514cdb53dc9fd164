"""A run does not start a Job for a stage that its prepare has found in the store.

prepare reports which stages of the run exist already (docs/architecture.md), so a run that is
created again, or edited back, reuses them without a Job. Only prepare and the report are of one run
alone.
"""

from __future__ import annotations

from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, kind_of

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, PODS
from ..history import History
from .disturbances import calm_times
from .true_failure import UID_LABEL

PREPARE = "prepare"


def violations(history: History) -> list[str]:
    """Return the Jobs that begin with a stage which existed before their prepare began."""
    if history.exempt or history.silences:
        return []
    calm = calm_times(history)
    made: dict[str, float] = {}
    for commit in history.commits:
        made.setdefault(commit.key, commit.at)
    begun: dict[str, float] = {}
    prepared: dict[str, float] = {}
    ended: dict[str, float] = {}
    found = []
    for change in history.changes:
        metadata = change.document["metadata"]
        run = (metadata.get("labels") or {}).get(UID_LABEL, "")
        if change.resource == PODS and metadata["labels"].get("isheep.dev/stage") == PREPARE:
            phase, uid = change.document["status"].get("phase"), metadata["uid"]
            if phase == "Running":
                begun.setdefault(uid, change.at)
            elif phase == "Succeeded" and uid in begun and _has_result(change.document):
                prepared[run], ended[run] = begun[uid], change.at
        elif change.resource == JOBS and change.kind == "ADDED" and run in prepared:
            stage, key = steps_of(change.document)[0]
            late = made.get(key, change.at) < prepared[run]
            adopted = STAGE_DEFINITIONS[kind_of(stage)].adoptable
            if adopted and late and calm.holds(ended[run] - 5.0, change.at):
                found.append(f"{metadata['name']} makes {stage}, which its prepare has found")
    return found


def _has_result(pod: dict[str, object]) -> bool:
    return "prepared" in str(pod["status"])
