"""How far a stage is, as text: the training in optimizer steps, every other stage in items.

The end of `isheep run` and both views name a position with the same words, so a person who stops a
run finds the same number when the run resumes.
"""

from __future__ import annotations

from isheep.contract.stage_ids import kind_name
from isheep.recipes.stage_kinds import StageKind


def unit(stage: str) -> str:
    """Return what the stage with this id counts: `step` or `item`."""
    return "step" if kind_name(stage) == StageKind.TRAIN else "item"


def reached(stage: str, done: int, total: int | None) -> str:
    """Return the position of a stage: `step 3 of 8`, `64 of 640 items` or `64 items`."""
    of = "" if total is None else f" of {total}"
    return f"step {done}{of}" if unit(stage) == "step" else f"{done}{of} items"
