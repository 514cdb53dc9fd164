"""A run whose versions are pinned has the stages that its worker image knows."""

from __future__ import annotations

from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.planner.walk import Walk, walk
from isheep.recipes.older_stages import of_version
from isheep.recipes.prediction import best_result
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS

from ..planner.prepared_inputs import prepared_for
from ..planner.simulation import spec_with


def walked(spec: dict[str, Any] | None = None, **older: int) -> Walk:
    """Return the stages of a run with these pinned versions."""
    return walked_spec(SelfAlignmentRunSpec.read(spec_with(yardstick={}, **(spec or {}))), older)


def walked_spec(spec: SelfAlignmentRunSpec, older: dict[str, int]) -> Walk:
    versions = {**{str(kind): version for kind, version in STAGE_VERSIONS.items()}, **older}
    return walk(
        RECIPES[spec.recipe],
        spec,
        prepared_for(),
        versions,
        lambda stage, _key: best_result(stage, spec),
    )


def test_a_pinned_verdict_reads_neither_pairs_nor_prompts() -> None:
    (found,) = (s for s in walked(verdict=2, respond=2).stages if s.id == "i1/verdict")
    assert set(found.inputs) == {"evaluations", "data"}
    assert "generatedIn" not in found.settings.canonical()


def test_a_pinned_verdict_reads_no_anchors_and_no_seed_tasks() -> None:
    spec = {"iterations": 2, "assessment": {"anchors": 50}}
    (found,) = (s for s in walked(spec, verdict=3).stages if s.id == "i2/verdict")
    assert set(found.inputs) == {"evaluations", "data", "pairs", "completions"}
    fields = found.settings.canonical()
    assert {"anchors", "seedTasks"}.isdisjoint(fields)
    assert "LenientAssessor" not in fields["guards"]
    (found,) = (s for s in walked(spec).stages if s.id == "i2/verdict")
    assert {"anchors", "seedTasks"} <= set(found.settings.canonical())


def test_a_stage_of_the_current_version_does_not_change() -> None:
    for stage in walked().stages:
        assert of_version(stage, STAGE_VERSIONS[stage.kind]) is stage
    (found,) = (s for s in walked().stages if s.id == "i1/verdict")
    assert {"pairs", "completions"} <= set(found.inputs)
    assert found.settings.canonical()["generatedIn"] == [1]
