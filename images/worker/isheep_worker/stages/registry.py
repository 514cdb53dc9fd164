"""The stage programs by kind. The program of a kind is the module of this package with its name.

A program is imported when it is needed, because some of them import heavy libraries.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from isheep.contract.choices import Pool
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.preparation.prompt_lengths import LongestPrompts


class StageProgram(Protocol):
    """A module that runs the stages of one kind."""

    def run(self, context: StageContext[Any]) -> StageOutcome:
        """Run a stage and commit its output."""


def stage_program(kind: StageKind) -> StageProgram:
    """Import and return the program of a stage kind."""
    program: StageProgram = importlib.import_module(f"isheep_worker.stages.{kind}")
    return program


def longest_prompts_of(kind: StageKind) -> LongestPrompts | None:
    """Return the function `longest_prompts` of a kind's program, or None if it has none.

    Only stages of the inference pool send prompts, so only their programs are imported.
    """
    if STAGE_DEFINITIONS[kind].pool is not Pool.INFERENCE:
        return None
    function: LongestPrompts | None = getattr(stage_program(kind), "longest_prompts", None)
    return function
