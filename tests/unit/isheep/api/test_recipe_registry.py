"""The recipes of the API: each has its settings in the spec, and the texts list all of them."""

from __future__ import annotations

import pytest

from isheep.api.base import SpecModel
from isheep.api.generation.crd import run_schema
from isheep.api.reading.loader import SpecError, load_run
from isheep.api.recipe_registry import RECIPE_DEFINITIONS, defaults_by_recipe
from isheep.api.run import SelfAlignmentRunSpec

WITH_SETTINGS = [recipe for recipe in RECIPE_DEFINITIONS.values() if recipe.settings is not None]
RUN = """apiVersion: isheep.dev/v1alpha1
kind: SelfAlignmentRun
metadata: {name: run}
spec: {recipe: NAME, iterations: 1, model: {storageUri: hf://org/name}}
"""


@pytest.mark.parametrize("recipe", WITH_SETTINGS, ids=lambda recipe: recipe.name)
def test_the_spec_has_a_field_for_the_settings_of_each_recipe(recipe) -> None:
    field = SelfAlignmentRunSpec.model_fields[recipe.attribute]
    assert field.annotation == recipe.settings | None
    assert (field.alias, field.default) == (recipe.field, None)
    assert recipe.name in str(field.description)


def test_the_crd_allows_the_recipes_of_the_registry() -> None:
    spec = run_schema()["properties"]["spec"]
    assert spec["properties"]["recipe"]["enum"] == list(RECIPE_DEFINITIONS)


def test_an_unknown_recipe_is_refused_with_the_names_of_all_recipes() -> None:
    with pytest.raises(SpecError) as raised:
        load_run(RUN.replace("NAME", "Goat"))
    message = 'spec.recipe: found "Goat"; allowed: one of ISheep, SelfInstruct, Alpaca, Dromedary'
    assert message in str(raised.value)


@pytest.mark.parametrize("name", RECIPE_DEFINITIONS)
def test_the_settings_of_the_recipe_are_its_defaults_if_the_spec_has_none(name: str) -> None:
    spec = load_run(RUN.replace("NAME", name)).run.spec
    settings = RECIPE_DEFINITIONS[name].settings
    expected: SpecModel | None = None if settings is None else settings()
    assert spec.recipe_settings() == expected


def test_the_settings_of_the_recipe_come_from_its_field() -> None:
    required = {"iterations": 1, "model": {"storageUri": "hf://org/name"}}
    document = {**required, "recipe": "Alpaca", "alpaca": {"examplesPerPrompt": 4}}
    spec = SelfAlignmentRunSpec.read(document)
    assert spec.recipe_settings() is spec.alpaca


def test_a_phrase_groups_recipes_with_the_same_default() -> None:
    assert defaults_by_recipe(lambda recipe: recipe.rule_set) == (
        "ISheep for ISheep, SelfInstruct for SelfInstruct and Alpaca, Dromedary for Dromedary"
    )
    assert defaults_by_recipe(lambda _: "X") == "X for ISheep, SelfInstruct, Alpaca and Dromedary"
