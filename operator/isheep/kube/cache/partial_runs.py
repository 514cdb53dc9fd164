"""What the cache keeps of a large run: the parts that the passes of other runs need.

These are the store (`claims.scope_of`), the conditions (`places`), the stages whose keys the run
works on or wants (`planner.peers`), and the Jobs that hold GPUs (`unseen_jobs`). A run of 20
iterations has more than a thousand committed stages. Of these the peers need the first inference
stage of each iteration only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from isheep.contract.stage_ids import iteration_of
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, kind_of

Json = Mapping[str, Any]
SPEC_FIELDS = ("storage",)
STATUS_FIELDS = ("observedGeneration", "phase", "conditions", "gpu")
STAGE_FIELDS = ("id", "key", "committed", "failure", "hold")


def partial_spec(spec: Json) -> dict[str, Any]:
    """Return the part of a spec that other runs need."""
    return {name: spec[name] for name in SPEC_FIELDS if name in spec}


def partial_status(status: Json) -> dict[str, Any]:
    """Return the part of a status that other runs need, or all but its pinned values."""
    kept = {name: status[name] for name in STATUS_FIELDS if name in status}
    try:
        stages = list(_claimed(status.get("stages") or ()))
    except (ValueError, TypeError, KeyError, AttributeError):
        # Somebody else has written the status, and its reader says so.
        return {name: value for name, value in status.items() if name != "resolved"}
    return {**kept, "stages": stages} if stages else kept


def _claimed(stages: Iterable[Json]) -> Iterator[dict[str, Any]]:
    """Yield the stages that count for claims, without their figures."""
    seen: set[int] = set()
    for stage in stages:
        iteration = iteration_of(stage["id"])
        is_first = iteration not in seen and _needs_engine(stage["id"])
        if is_first:
            seen.add(iteration)
        if is_first or not (stage.get("committed") or stage.get("failure")):
            yield {name: stage[name] for name in STAGE_FIELDS if name in stage}


def _needs_engine(stage: str) -> bool:
    return STAGE_DEFINITIONS[kind_of(stage)].role is not None
