"""The counts of a status are true: no stage has more attempts or failures than it had Jobs.

These are the Jobs that begin with the stage, and those that may have walked to it: a Job of a whole
run walks to all stages, and another one only to those of its part of an iteration. A Job that the
API server has refused is no attempt. A stage that is retried has a failure, or has needed too much
memory.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from isheep.contract.reasons import Reason
from isheep.contract.stage_ids import iteration_of
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, kind_of

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, RUNS
from ..history import History
from ..readings import measures
from .true_failure import UID_LABEL
from .true_jobs import WALK

Part = tuple[str, int, str | None]
"""A grouping, an iteration and a role: the stages that a Job may walk to."""
GROUPINGS = ("Run", "Joined", "PerRole")


def violations(history: History) -> list[str]:
    """Return the first stage of each run that has more attempts than Jobs."""
    found: dict[str, str] = {}
    named: Counter[tuple[str, str, str]] = Counter()
    walks: Counter[tuple[str, *Part]] = Counter()
    for change in history.changes:
        document = change.document
        if change.resource == JOBS and change.kind == "ADDED":
            uid = document["metadata"]["labels"].get(UID_LABEL, "")
            steps = list(steps_of(document))
            walk = document["metadata"]["annotations"].get(WALK)
            if walk is not None:
                role, iteration = _place(steps[0][0])
                walks[uid, *_part(json.loads(walk)["grouping"], role, iteration)] += 1
            for stage_id, key in steps:
                # Without a walk, the Job is no Job of any other stage.
                named[uid, stage_id, key] += walk is None
        if change.resource != RUNS:
            continue
        uid = document["metadata"]["uid"]
        for stage in (document.get("status") or {}).get("stages") or ():
            counted = max(stage.get("attempts") or 0, stage.get("failures") or 0)
            had = named[uid, stage["id"], stage["key"]]
            if counted > had and stage["id"] != "prepare":
                had += sum(walks[uid, *part] for part in _parts(stage["id"]))
            if counted > had:
                text = f"{stage['id']} has {counted} attempts, and had {had} Jobs"
                found.setdefault(uid, f"version {change.version}: {text}")
            retried = (stage.get("hold") or {}).get("reason") == Reason.RETRYING
            if retried and not stage.get("failures") and not stage.get("memoryReduction"):
                text = f"{stage['id']} is retried without a failure"
                found.setdefault(uid, f"version {change.version}: {text}")
    return list(found.values())


def _parts(stage: str) -> Iterator[Part]:
    """Yield the parts of a run to whose stages a stage belongs, one for each grouping."""
    role, iteration = _place(stage)
    for grouping in GROUPINGS if role is not None else GROUPINGS[:1]:
        # A Job of a whole run has the same part in each iteration.
        for number in range(measures(stage) * (grouping != "Run") + 1):
            yield _part(grouping, role, iteration + number)


def _place(stage: str) -> tuple[str | None, int]:
    """Return the role of a stage, and its iteration."""
    return STAGE_DEFINITIONS[kind_of(stage)].role, iteration_of(stage)


def _part(grouping: str, role: str | None, iteration: int) -> Part:
    """Return the stages to which a Job may walk that begins with a role in an iteration."""
    if grouping == "Run":
        return grouping, 0, None
    return grouping, iteration, None if grouping == "Joined" else role
