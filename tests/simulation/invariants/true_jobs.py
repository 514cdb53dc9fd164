"""Each Job is what its run asks for: its queue, attempt, order, stages and time limit.

`true_pods` compares the fields of its pods.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from isheep.contract.stage_ids import iteration_of
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind, kind_of

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, RUNS, Json
from ..history import History
from ..orders import order_of
from ..queue import QUEUE_LABEL
from .disturbances import has_act
from .true_failure import UID_LABEL

ATTEMPT_LABEL = "isheep.dev/attempt"
WALK = "isheep.dev/walk"


def violations(history: History) -> list[str]:
    """Return the Jobs that differ from what their runs ask for."""
    moves = has_act(history, "move-queue")
    groupings: dict[str, str] = {}
    runs: dict[str, Json] = {}
    found = []
    for change in history.changes:
        document, metadata = change.document, change.document["metadata"]
        if change.resource == RUNS:
            runs[metadata["uid"]] = document
        if change.resource == JOBS and change.kind == "ADDED":
            walk = json.loads(metadata["annotations"].get(WALK) or "{}")
            groupings[metadata["name"]] = walk.get("grouping", "PerStage")
            run = None if moves else runs.get(metadata["labels"].get(UID_LABEL, ""))
            found += [f"{metadata['name']} {why}" for why in _wrong(document, run)]
    return [*found, *_beyond(history, groupings)]


def _beyond(history: History, groupings: dict[str, str]) -> Iterator[str]:
    """Yield the Jobs that have made stages of more iterations or roles than they may."""
    made: defaultdict[str, set[str]] = defaultdict(set)
    for commit in history.commits:
        made[commit.job].add(commit.stage)
    for job, stages in made.items():
        # The id of a measurement names its model, which the iteration before has made.
        own = (stage for stage in stages if not STAGE_DEFINITIONS[kind_of(stage)].optional)
        iterations = {iteration_of(stage) for stage in own}
        roles = {STAGE_DEFINITIONS[kind_of(stage)].role for stage in stages}
        grouping = groupings.get(job)
        if grouping in ("PerRole", "Joined") and len(iterations) > 1:
            yield f"{job} has made stages of the iterations {sorted(iterations)}"
        if grouping == "PerRole" and len(roles) > 1:
            yield f"{job} has made stages of several roles: {', '.join(sorted(stages))}"


def _wrong(job: Json, run: Json | None) -> Iterator[str]:
    labels, spec, steps = job["metadata"]["labels"], job["spec"], steps_of(job)
    kind = kind_of(steps[0][0])
    limit = spec.get("activeDeadlineSeconds")
    if kind is StageKind.PREPARE and limit is None:
        yield "has no time limit"
    if kind is not StageKind.PREPARE and limit is not None and not STAGE_DEFINITIONS[kind].optional:
        yield f"has the time limit {limit}"
    queue = labels.get(QUEUE_LABEL)
    if bool(spec.get("suspend")) != (queue is not None):
        yield f"is created with the queue {queue} and suspend {spec.get('suspend')}"
    if run is not None and queue != (run["metadata"].get("labels") or {}).get(QUEUE_LABEL):
        yield f"has the queue {queue}, and its run another one"
    if spec["completions"] != spec["parallelism"]:
        yield "does not run all of its pods at the same time"
    yield from _wrong_order(job, steps)


def _wrong_order(job: Json, steps: list[tuple[str, str]]) -> Iterator[str]:
    metadata = job["metadata"]
    order = order_of(job)
    if [(step.id, step.key) for step in order.steps] != steps:
        yield "has an order for other steps"
    if str(order.attempt) != metadata["labels"][ATTEMPT_LABEL]:
        yield f"has the attempt {order.attempt} in its order"
    if order.run.uid != metadata["ownerReferences"][0]["uid"]:
        yield "has the order of another run"
