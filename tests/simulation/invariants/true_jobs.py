"""Each Job is the one that its run asks for: its queue, its attempt, its order and its time limit.

The fields of pods that no controller here reads are left to the unit tests of the Job builder.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.contract.order import parse_order
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind, kind_of

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, RUNS, Json
from ..history import History
from ..queue import QUEUE_LABEL
from .true_failure import UID_LABEL

ATTEMPT_LABEL = "isheep.dev/attempt"


def violations(history: History) -> list[str]:
    """Return the Jobs that differ from what their runs ask for."""
    moves = any("'move-queue'" in text for _, text in history.faults)
    runs: dict[str, Json] = {}
    found = []
    for change in history.changes:
        document, metadata = change.document, change.document["metadata"]
        if change.resource == RUNS:
            runs[metadata["uid"]] = document
        if change.resource == JOBS and change.kind == "ADDED":
            run = None if moves else runs.get(metadata["labels"].get(UID_LABEL, ""))
            found += [f"{metadata['name']} {why}" for why in _wrong(document, run)]
    return found


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
    (container,) = job["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    order = parse_order(env["ISHEEP_ORDER"].replace("$$", "$"), env["ISHEEP_ORDER_SHA256"])
    if [(step.id, step.key) for step in order.steps] != steps:
        yield "has an order for other steps"
    if str(order.attempt) != metadata["labels"][ATTEMPT_LABEL]:
        yield f"has the attempt {order.attempt} in its order"
    if order.run.uid != metadata["ownerReferences"][0]["uid"]:
        yield "has the order of another run"
