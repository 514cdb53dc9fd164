"""The one write of a pass: a merge patch of what is different in the status.

A field that is gone is written as null, because a merge patch keeps what it does not
name. The resource version goes with it: without one, a patch would also hit a run that
was deleted and created again under the same name meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isheep.kube.records import Json

PROGRESS_FIELDS = frozenset({"stage", "progress"})
"""Fields that move by themselves while a stage is at work; nothing depends on them."""


def status_patch(before: Json, after: Json) -> dict[str, Any]:
    """Return what changes `before` into `after` as a merge patch; empty where nothing does."""
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
    """Whether a patch says only how far the stage at work has come."""
    if not patch.keys() <= PROGRESS_FIELDS:
        return False
    stage, old = patch.get("stage", {}), before.get("stage")
    return isinstance(stage, Mapping) and old is not None and "id" not in stage
