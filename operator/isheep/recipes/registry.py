"""The recipes by the names that `spec.recipe` allows."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.recipes.alpaca import Alpaca
from isheep.recipes.dromedary import Dromedary
from isheep.recipes.evaluate_only import EvaluateOnly
from isheep.recipes.interface import Recipe
from isheep.recipes.isheep import ISheep
from isheep.recipes.self_instruct import SelfInstruct

_ALL: tuple[Recipe, ...] = (ISheep(), SelfInstruct(), Alpaca(), Dromedary())
RECIPES: Mapping[str, Recipe] = {recipe.definition.name: recipe for recipe in _ALL}
INTERNAL: Mapping[str, Recipe] = {EvaluateOnly.definition.name: EvaluateOnly()}
"""The recipes of commands, see `isheep.api.recipe_registry`."""


def recipe_named(name: str) -> Recipe:
    """Return a recipe by its name; raises `KeyError` for an unknown name."""
    found = RECIPES.get(name)
    return INTERNAL[name] if found is None else found
