"""Stages in the form of an older version of their kind.

The versions of a run are pinned, and its worker image has the code of these versions only. That
code refuses settings that it does not know, and the key of a finished stage must not change. So a
recipe yields stages of the current version, and this module takes away what a pinned version lacks.
"""

from __future__ import annotations

from dataclasses import replace

from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind

_VERDICT_READS_PAIRS = 3
"""The first version of verdict that reads the pairs and the prompts behind D(t)."""


def of_version(stage: Stage, version: int) -> Stage:
    """Return a stage as the given version of its kind executes it."""
    if stage.kind is StageKind.VERDICT and version < _VERDICT_READS_PAIRS:
        return replace(
            stage,
            settings=stage.settings.model_copy(update={"generated_in": None}),
            inputs={
                role: ids
                for role, ids in stage.inputs.items()
                if role not in {"pairs", "completions"}
            },
        )
    return stage
