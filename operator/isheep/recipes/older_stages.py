"""Stages in the form of an older version of their kind.

The versions of a run are pinned, and its worker image has the code of these versions only. That
code refuses settings that it does not know, and the key of a finished stage must not change. So a
recipe yields stages of the current version, and this module takes away what a pinned version lacks.
"""

from __future__ import annotations

from dataclasses import replace

from isheep.recipes.evaluation_settings import VerdictSettings
from isheep.recipes.interface import Stage

_VERDICT_READS_PAIRS = 3
"""The first version of verdict that reads the pairs and the prompts behind D(t)."""
_VERDICT_READS_SEED_TASKS = 4
"""The first version of verdict that reads the yardstick's tasks, scores of anchors and grades."""


def of_version(stage: Stage, version: int) -> Stage:
    """Return a stage as the given version of its kind executes it."""
    if isinstance(stage.settings, VerdictSettings):
        return _verdict(stage, stage.settings, version)
    return stage


def _verdict(stage: Stage, settings: VerdictSettings, version: int) -> Stage:
    updates: dict[str, object] = {}
    unread: set[str] = set()
    if version < _VERDICT_READS_SEED_TASKS:
        guards = tuple(name for name in settings.guards if name != "LenientAssessor")
        updates |= {"seed_tasks": None, "anchors": None, "graded": None, "guards": guards}
        unread |= {"anchors", "grades"}
    if version < _VERDICT_READS_PAIRS:
        updates |= {"generated_in": None}
        unread |= {"pairs", "completions"}
    if not updates:
        return stage
    return replace(
        stage,
        settings=settings.model_copy(update=updates),
        inputs={role: ids for role, ids in stage.inputs.items() if role not in unread},
    )
