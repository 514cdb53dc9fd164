"""The internal recipe EvaluateOnly: only M(0), with the stages of a run that has this M(0)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from isheep.api.generation.crd import crd
from isheep.api.recipe_registry import INTERNAL_RECIPES, RECIPE_DEFINITIONS, definition_of
from isheep.api.run import SelfAlignmentRunSpec
from isheep.planner.walk import Walk, walk
from isheep.recipes.interface import FAILED, FINISHED, Stage, Statistics
from isheep.recipes.prediction import best_result
from isheep.recipes.registry import INTERNAL, RECIPES, recipe_named

from ..planner.simulation import spec_with
from .test_benchmarks import BENCHMARKS, VERSIONS, prepared
from .test_benchmarks import walked as run_walked


def walked(failed: tuple[str, ...] = (), **changes: Any) -> Walk:
    document = spec_with(evaluation=BENCHMARKS, recipe="EvaluateOnly", iterations=1, **changes)
    spec = SelfAlignmentRunSpec.read_stored(document)

    def lookup(stage: Stage, _key: str) -> Statistics:
        return FAILED if stage.id in failed else best_result(stage, spec)

    return walk(recipe_named(spec.recipe), spec, prepared(), VERSIONS, lookup)


def test_the_stages_are_prepare_and_those_of_m0() -> None:
    found = walked()
    assert [stage.id for stage in found.stages] == [
        "prepare",
        "i0/evaluate/ifeval-abababab-chat",
        "i0/evaluate/ifeval-abababab-raw",
        "i0/evaluate/arc-easy-cdcdcdcd-chat",
        "i0/score/ifeval-abababab-chat",
        "i0/score/ifeval-abababab-raw",
        "i0/score/arc-easy-cdcdcdcd-chat",
    ]
    assert found.end == FINISHED
    assert {stage.model for stage in found.stages[1:4]} == {""}


def test_the_keys_are_those_of_a_run_with_this_m0() -> None:
    found, of_run = walked(), run_walked()
    keys = {id_: key for id_, key in found.keys.items() if id_ != "prepare"}
    assert keys.items() <= of_run.keys.items()


def test_a_failed_evaluation_has_no_score_and_the_others_have() -> None:
    found = walked(failed=("i0/evaluate/ifeval-abababab-raw",))
    scores = [stage.id for stage in found.stages if stage.id.startswith("i0/score/")]
    assert scores == ["i0/score/ifeval-abababab-chat", "i0/score/arc-easy-cdcdcdcd-chat"]
    assert found.end == FINISHED


def test_without_the_result_of_prepare_nothing_else_is_known() -> None:
    document = spec_with(evaluation=BENCHMARKS, recipe="EvaluateOnly", iterations=1)
    spec = SelfAlignmentRunSpec.read_stored(document)
    found = walk(recipe_named(spec.recipe), spec, None, VERSIONS, lambda *_: None)
    assert [stage.id for stage in found.stages] == ["prepare"]


def test_only_a_stored_run_can_have_an_internal_recipe() -> None:
    assert {name: one.definition for name, one in INTERNAL.items()} == INTERNAL_RECIPES
    assert not INTERNAL_RECIPES.keys() & (RECIPE_DEFINITIONS.keys() | RECIPES.keys())
    assert not definition_of("EvaluateOnly").trains
    with pytest.raises(ValidationError, match="no recipe has the name EvaluateOnly"):
        SelfAlignmentRunSpec.read(spec_with(recipe="EvaluateOnly"))
    with pytest.raises(KeyError):
        recipe_named("Nothing")
    assert "EvaluateOnly" not in str(crd())
