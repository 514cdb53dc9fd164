"""The one write of a pass: a merge patch with the differences of the status.

A removed field is written as null, because a merge patch keeps the fields that it does not name.
The patch contains the resource version. Without it, the patch would also change a run that was
deleted and created again under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isheep.kube.cache.records import Json

PROGRESS_FIELDS = frozenset({"stage", "progress"})
"""Fields that change while a stage runs; nothing depends on them."""


def status_patch(before: Json, after: Json) -> dict[str, Any]:
    """Return the merge patch from `before` to `after`; empty if they are equal."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        if name not in before:
            patch[name] = value
        elif before[name] != value:
            old = before[name]
            both = isinstance(old, Mapping) and isinstance(value, Mapping)
            patch[name] = status_patch(old, value) if both else value
    return patch


def is_progress_only(patch: Json, before: Json) -> bool:
    """Return whether a patch changes only the progress of the running stage."""
    if not patch.keys() <= PROGRESS_FIELDS:
        return False
    stage, old = patch.get("stage", {}), before.get("stage")
    return isinstance(stage, Mapping) and old is not None and "id" not in stage
