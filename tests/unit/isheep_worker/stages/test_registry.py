"""The stage programs are found by the names of their kinds."""

from __future__ import annotations

import pkgutil

from isheep.contract.choices import Pool
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind
from isheep_worker import stages
from isheep_worker.stages.registry import longest_prompts_of, stage_program


def test_each_module_is_the_program_of_a_kind() -> None:
    modules = {module.name for module in pkgutil.iter_modules(stages.__path__)}
    assert modules == {str(kind) for kind in StageKind} | {"registry"}
    assert all(callable(stage_program(kind).run) for kind in StageKind)


def test_each_kind_that_sends_prompts_has_its_longest_prompts() -> None:
    inference = {kind for kind, row in STAGE_DEFINITIONS.items() if row.pool is Pool.INFERENCE}
    found = {kind for kind in StageKind if longest_prompts_of(kind) is not None}
    assert found == inference - {StageKind.MEASURE}
    # `longest_prompts_of` ignores the programs of other pools.
    defined = {kind for kind in StageKind if hasattr(stage_program(kind), "longest_prompts")}
    assert defined == found
