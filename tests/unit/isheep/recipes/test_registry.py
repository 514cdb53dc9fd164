"""Both sides of each recipe: its definition in the API and its stages."""

from __future__ import annotations

from isheep.api.recipe_registry import RECIPE_DEFINITIONS
from isheep.recipes.registry import RECIPES


def test_the_api_and_this_package_have_the_same_recipes() -> None:
    definitions = {name: recipe.definition for name, recipe in RECIPES.items()}
    assert definitions == RECIPE_DEFINITIONS
