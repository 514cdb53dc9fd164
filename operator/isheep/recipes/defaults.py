"""Resolving what a spec leaves to its recipe.

The API has one default for each field, but recipes have different defaults. So the API's default is
`Auto`, or the recipe has its own settings in the spec. After `resolve`, the stages that recipes
share read the same fields for every recipe.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from isheep.api.recipe_registry import definition_of
from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.sampling import InstructionSampling
from isheep.api.self_instruct import SelfInstruct


@runtime_checkable
class InstructionSettings(Protocol):
    """Settings of a recipe that replace those fields of `instructions`."""

    @property
    def examples_per_prompt(self) -> int:
        """The number of examples in each prompt."""

    @property
    def sampling(self) -> InstructionSampling:
        """How completions are sampled."""


def resolve(spec: SelfAlignmentRunSpec) -> SelfAlignmentRunSpec:
    """Return the spec with its recipe's choice for everything that it leaves to the recipe."""
    recipe = definition_of(spec.recipe)
    updates: dict[str, object] = {}
    if spec.curation.rules == "Auto":
        updates["curation"] = spec.curation.model_copy(update={"rules": recipe.rule_set})
    if spec.selection.method == "Auto":
        method = {"method": recipe.selection_method}
        updates["selection"] = spec.selection.model_copy(update=method)
    if isinstance(settings := spec.recipe_settings(), InstructionSettings):
        replaced = {
            "examples_per_prompt": settings.examples_per_prompt,
            "sampling": settings.sampling,
        }
        updates["instructions"] = spec.instructions.model_copy(update=replaced)
    return spec.model_copy(update=updates)


def instructions_field(spec: SelfAlignmentRunSpec) -> str:
    """Return the spec's field, as in YAML, that has examplesPerPrompt and sampling of the run."""
    recipe = definition_of(spec.recipe)
    return recipe.field if recipe.replaces_instructions else "instructions"


def self_instruct(spec: SelfAlignmentRunSpec) -> SelfInstruct:
    """Return the settings of the recipe SelfInstruct, its defaults if the spec has none."""
    return spec.self_instruct or SelfInstruct()
