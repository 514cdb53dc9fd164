"""The validation rules of the spec that follow from the recipes' definitions."""

from __future__ import annotations

from collections.abc import Sequence

from isheep.api.instructions import Instructions
from isheep.api.recipe_definition import RecipeDefinition
from isheep.api.recipe_registry import RECIPE_DEFINITIONS
from isheep.api.selection import Selection
from isheep.api.validation_rule import ValidationRule

_INSTRUCTIONS = Instructions()
_SELECTION = Selection()


def recipe_rules() -> tuple[ValidationRule, ...]:
    """Return the validation rules of the spec that depend on the recipe."""
    recipes = tuple(RECIPE_DEFINITIONS.values())
    return (
        *(_for_one_recipe(recipe) for recipe in recipes if recipe.settings is not None),
        *_replaced_instructions([recipe for recipe in recipes if recipe.replaces_instructions]),
        _threshold([r for r in recipes if r.selection_method == "SelfAssessment"]),
        *(rule for recipe in recipes for rule in recipe.spec_rules),
    )


def _for_one_recipe(recipe: RecipeDefinition) -> ValidationRule:
    return ValidationRule(
        f"self.recipe == '{recipe.name}' || !has(self.{recipe.field})",
        f"only recipe {recipe.name} reads {recipe.field}: remove it, or use that recipe",
        recipe.field,
    )


def _replaced_instructions(recipes: Sequence[RecipeDefinition]) -> tuple[ValidationRule, ...]:
    # A field with a default is always set. So a value is the user's if it differs from the default.
    sampling = _INSTRUCTIONS.sampling
    return (
        ValidationRule(
            f"!({_is(recipes)}) "
            f"|| self.instructions.examplesPerPrompt == {_INSTRUCTIONS.examples_per_prompt}",
            "this recipe does not read instructions.examplesPerPrompt: remove it, and set "
            f"{_fields(recipes, 'examplesPerPrompt')}",
            "instructions.examplesPerPrompt",
        ),
        ValidationRule(
            f"!({_is(recipes)}) "
            f"|| self.instructions.sampling.temperature == {sampling.temperature} "
            f"&& self.instructions.sampling.topP == {sampling.top_p} "
            f"&& self.instructions.sampling.maxTokens == {sampling.max_tokens} "
            "&& !has(self.instructions.sampling.presencePenalty)",
            "this recipe does not read instructions.sampling: remove it, and set "
            f"{_fields(recipes, 'sampling')}",
            "instructions.sampling",
        ),
    )


def _threshold(recipes: Sequence[RecipeDefinition]) -> ValidationRule:
    names = " and ".join(recipe.name for recipe in recipes)
    return ValidationRule(
        "self.selection.method == 'SelfAssessment' "
        f"|| self.selection.method == 'Auto' && {_is(recipes)} "
        "|| has(self.selection.random) && has(self.selection.random.sizeOf) "
        "&& self.selection.random.sizeOf == 'SelfAssessment' "
        f"|| self.selection.threshold == {_SELECTION.threshold}",
        "only method SelfAssessment, and Random with random.sizeOf SelfAssessment, read "
        "selection.threshold: remove it, or set selection.method (Auto is SelfAssessment only for "
        f"recipe {names})",
        "selection.threshold",
    )


def _is(recipes: Sequence[RecipeDefinition]) -> str:
    """Return the expression that is true if the run has one of some recipes."""
    names = [f"'{recipe.name}'" for recipe in recipes]
    return (
        f"self.recipe == {names[0]}" if len(names) == 1 else f"self.recipe in [{', '.join(names)}]"
    )


def _fields(recipes: Sequence[RecipeDefinition], name: str) -> str:
    return " or ".join(f"{recipe.field}.{name}" for recipe in recipes)
