"""The recipes by the names that `spec.recipe` allows."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.recipes.alpaca import Alpaca
from isheep.recipes.dromedary import Dromedary
from isheep.recipes.interface import Recipe
from isheep.recipes.isheep import ISheep
from isheep.recipes.self_instruct import SelfInstruct

_ALL: tuple[Recipe, ...] = (ISheep(), SelfInstruct(), Alpaca(), Dromedary())
RECIPES: Mapping[str, Recipe] = {recipe.definition.name: recipe for recipe in _ALL}
