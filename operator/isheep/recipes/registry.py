"""The recipes by the names that `spec.recipe` takes."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.recipes.interface import Recipe
from isheep.recipes.isheep import ISheep

RECIPES: Mapping[str, Recipe] = {"ISheep": ISheep()}
