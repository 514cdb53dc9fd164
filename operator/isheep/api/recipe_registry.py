"""The recipes of the API. To add a recipe, add its definition here and its settings to the spec.

The field `recipe` allows the names in this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from isheep.api.alpaca import ALPACA
from isheep.api.dromedary import DROMEDARY
from isheep.api.evaluate_only import EVALUATE_ONLY
from isheep.api.isheep import ISHEEP
from isheep.api.recipe_definition import RecipeDefinition
from isheep.api.self_instruct import SELF_INSTRUCT

RECIPE_DEFINITIONS: Mapping[str, RecipeDefinition] = {
    definition.name: definition for definition in (ISHEEP, SELF_INSTRUCT, ALPACA, DROMEDARY)
}


INTERNAL_RECIPES: Mapping[str, RecipeDefinition] = {EVALUATE_ONLY.name: EVALUATE_ONLY}
"""The recipes of commands. A stored run can have one of them, and a file of a run cannot."""


def definition_of(name: str) -> RecipeDefinition:
    """Return the definition of a recipe; raises `KeyError` for an unknown name."""
    found = RECIPE_DEFINITIONS.get(name)
    return INTERNAL_RECIPES[name] if found is None else found


def defaults_by_recipe(default: Callable[[RecipeDefinition], str]) -> str:
    """Return a phrase with the default of each recipe: `A for R1, B for R2 and R3`."""
    recipes: dict[str, list[str]] = {}
    for definition in RECIPE_DEFINITIONS.values():
        recipes.setdefault(default(definition), []).append(definition.name)
    return ", ".join(f"{value} for {_joined(names)}" for value, names in recipes.items())


def _joined(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
