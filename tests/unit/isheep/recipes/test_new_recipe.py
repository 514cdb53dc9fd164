"""A recipe that this file defines runs through the planner, the operator and the local driver.

It shows that a recipe consists of its settings, its definition and its stages. The fixture does
what a new recipe edits: a row in each of the two registries, and a field of the spec.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field
from pydantic.fields import FieldInfo

from isheep.api.base import Integer, SpecModel
from isheep.api.generation.crd import run_schema
from isheep.api.recipe_definition import RecipeDefinition
from isheep.api.recipe_registry import RECIPE_DEFINITIONS
from isheep.api.run import SelfAlignmentRun, SelfAlignmentRunSpec, settings_of
from isheep.api.validation.validations import violations
from isheep.api.validation_rule import ValidationRule
from isheep.contract.prepared import Prepared
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.curate import curate
from isheep.recipes.builders.generate import generate
from isheep.recipes.builders.respond import respond
from isheep.recipes.interface import UNDECIDED, Stages
from isheep.recipes.iteration import History, StageGenerator, iterations, select_and_train
from isheep.recipes.pinned_spec import PinnedSpec
from isheep.recipes.prediction import predicted_stages
from isheep.recipes.registry import RECIPES

from ..kube.fake_cluster import FakeCluster, run_scenario
from ..local.conftest import LocalHarness
from ..planner.simulation import PlannerSimulation, make_run
from .stages_of import PREPARED

# What a new recipe adds to the API.


class SingleRound(SpecModel):
    """The settings of the recipe SingleRound."""

    completions: Integer = Field(
        default=8, ge=1, le=1000, description="Number of completions in an iteration."
    )


SINGLE_ROUND = RecipeDefinition(
    name="SingleRound",
    rule_set="Dromedary",
    selection_method="None",
    settings=SingleRound,
    spec_rules=(
        ValidationRule(
            "self.recipe != 'SingleRound' || self.iterations <= 3",
            "recipe SingleRound has at most 3 iterations: lower iterations",
            "iterations",
        ),
    ),
)

# What a new recipe adds to the recipes: one round of generation, however many it accepts.


class SingleRoundRecipe:
    """The recipe `SingleRound`."""

    definition = SINGLE_ROUND

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        return iterations(spec, prepared, _iteration)


def _iteration(run: RunContext, history: History, t: int) -> StageGenerator:
    settings = run.spec.recipe_settings()
    assert isinstance(settings, SingleRound)
    yield history.add(generate(run, t, 1, settings.completions))
    tasks = curate(run, t, 1, previous=None, pool=())
    result = yield history.add(tasks)
    if result is None:
        return UNDECIDED
    accepted = int(result["accepted"])
    pairs = respond(run, t, tasks.id, accepted)
    yield history.add(pairs)
    return (yield from select_and_train(run, history, t, pairs.id, accepted))


SPEC: dict[str, Any] = {
    "recipe": "SingleRound",
    "iterations": 2,
    "activeDeadlineSeconds": 31536000,
    "model": {"storageUri": "hf://org/model"},
    "storage": {"s3": {"bucket": "bucket", "prefix": "some/prefix"}},
    "instructions": {"count": 64},
    "selection": {"minSamples": 1},
    "singleRound": {"completions": 20},
    "yardstick": {"items": 0},
}
STAGES = [
    "prepare",
    *(
        f"i{t}/{stage}"
        for t in (1, 2)
        for stage in (
            "generate/r1",
            "curate/r1",
            "respond",
            "select",
            "train",
            "merge",
            "report",
        )
    ),
]


@pytest.fixture(autouse=True)
def single_round(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(RECIPE_DEFINITIONS, "SingleRound", SINGLE_ROUND)
    monkeypatch.setitem(RECIPES, "SingleRound", SingleRoundRecipe())
    field = FieldInfo.from_annotated_attribute(SingleRound | None, settings_of("SingleRound"))
    field.alias = field.validation_alias = field.serialization_alias = SINGLE_ROUND.field
    # A class that exists already has its own copy of the fields of its base class.
    specs = (SelfAlignmentRunSpec, PinnedSpec)
    for spec in specs:
        spec.model_fields[SINGLE_ROUND.attribute] = field
    _rebuild()
    yield
    for spec in specs:
        del spec.model_fields[SINGLE_ROUND.attribute]
    _rebuild()


def _rebuild() -> None:
    SelfAlignmentRunSpec.model_rebuild(force=True)
    PinnedSpec.model_rebuild(force=True)
    SelfAlignmentRun.model_rebuild(force=True)


def document(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": "run"},
        "spec": SPEC | spec,
    }


def test_the_crd_has_the_recipe_its_settings_and_its_rules() -> None:
    spec = run_schema()["properties"]["spec"]
    assert "SingleRound" in spec["properties"]["recipe"]["enum"]
    assert spec["properties"]["singleRound"]["properties"]["completions"]["default"] == 8
    messages = [rule["message"] for rule in spec["x-kubernetes-validations"]]
    assert "only recipe SingleRound reads singleRound: remove it, or use that recipe" in messages
    assert "recipe SingleRound has at most 3 iterations: lower iterations" in messages


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"iterations": 4}, ["iterations"]),
        ({"recipe": "ISheep"}, ["singleRound"]),
        ({"selection": {"threshold": 4}}, ["selection.threshold"]),
    ],
)
def test_runs_are_validated(changes: dict[str, Any], fields: list[str]) -> None:
    found = violations(SelfAlignmentRun.read(document(**changes)))
    assert [".".join(map(str, v.path[1:])) for v in found] == fields


def test_the_stages_can_be_predicted() -> None:
    spec = SelfAlignmentRunSpec.read(SPEC)
    stages = list(predicted_stages(RECIPES["SingleRound"], spec, PREPARED))
    assert [stage.id for stage in stages] == STAGES
    curated = next(stage for stage in stages if stage.kind == "curate")
    assert curated.settings.canonical()["rules"] == "Dromedary"


def test_the_planner_plans_a_run_to_its_end() -> None:
    simulation = PlannerSimulation(run=make_run(SPEC))
    status = simulation.run_to_end()
    assert status.phase == "Succeeded"
    assert simulation.started == STAGES
    assert [(h.iteration, h.completions) for h in status.history] == [(1, 20), (2, 20)]


def test_the_operator_runs_it() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run(spec=SPEC)
        await cluster.run_to_end()

    cluster = run_scenario(scenario)
    assert cluster.status().phase == "Succeeded"
    assert [record.id for record in cluster.status().stages] == STAGES


def test_the_local_driver_runs_it(tmp_path: Path) -> None:
    harness = LocalHarness(tmp_path, dict(os.environ))
    unstored = {name: value for name, value in SPEC.items() if name != "storage"}
    harness.spec = {**unstored, "engine": {"type": "Transformers"}}
    harness.run()
    assert [stage for _, stage, _, _ in harness.orders] == STAGES
    assert harness.listener.statuses[-1].phase == "Succeeded"
