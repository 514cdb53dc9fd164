"""The recipes of the API. To add a recipe, add its definition here and its settings to the spec.

The field `recipe` allows the names in this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from isheep.api.alpaca import ALPACA
from isheep.api.dromedary import DROMEDARY
from isheep.api.isheep import ISHEEP
from isheep.api.recipe_definition import RecipeDefinition
from isheep.api.self_instruct import SELF_INSTRUCT

RECIPE_DEFINITIONS: Mapping[str, RecipeDefinition] = {
    definition.name: definition for definition in (ISHEEP, SELF_INSTRUCT, ALPACA, DROMEDARY)
}


def defaults_by_recipe(default: Callable[[RecipeDefinition], str]) -> str:
    """Return a phrase with the default of each recipe: `A for R1, B for R2 and R3`."""
    recipes: dict[str, list[str]] = {}
    for definition in RECIPE_DEFINITIONS.values():
        recipes.setdefault(default(definition), []).append(definition.name)
    return ", ".join(f"{value} for {_joined(names)}" for value, names in recipes.items())


def _joined(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
