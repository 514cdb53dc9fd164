"""The recipes by the names that `spec.recipe` takes."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.recipes.alpaca import Alpaca
from isheep.recipes.dromedary import Dromedary
from isheep.recipes.interface import Recipe
from isheep.recipes.isheep import ISheep
from isheep.recipes.self_instruct import SelfInstruct

RECIPES: Mapping[str, Recipe] = {
    "ISheep": ISheep(),
    "SelfInstruct": SelfInstruct(),
    "Alpaca": Alpaca(),
    "Dromedary": Dromedary(),
}
