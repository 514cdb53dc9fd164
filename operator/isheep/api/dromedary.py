"""The settings of the recipe Dromedary: how much each step of SELF-ALIGN produces."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import Integer, SpecModel
from isheep.api.recipe_definition import RecipeDefinition
from isheep.api.validation_rule import ValidationRule


class Dromedary(SpecModel):
    """The counts of SELF-ALIGN's four steps, in addition to `instructions.count`."""

    topics: Integer = Field(
        default=1000,
        ge=1,
        le=100000,
        description=(
            "Step 1: number of topics that the model generates, in addition to the seed topics, "
            "before it writes instructions about them."
        ),
    )
    topic_guided: Integer = Field(
        default=4000,
        ge=0,
        le=1000000,
        description=(
            "Step 1: number of accepted instructions from topic-guided red-teaming, in addition to "
            "the `instructions.count` from seed tasks. 0 turns red-teaming off."
        ),
    )
    exemplars: Integer = Field(
        default=5,
        ge=1,
        le=16,
        description=(
            "Step 2: number of worked examples with private thoughts that the prompt shows after "
            "the principles. They are the first ones of the template dromedary-exemplars."
        ),
    )
    verbose: Integer | None = Field(
        default=None,
        ge=1,
        le=1000000,
        description=(
            "Step 4: number of instructions, drawn from all of step 1, that M(1) answers again at "
            "length. If absent, or above the number of instructions: all."
        ),
    )


DROMEDARY = RecipeDefinition(
    name="Dromedary",
    rule_set="Dromedary",
    selection_method="None",
    settings=Dromedary,
    spec_rules=(
        ValidationRule(
            "self.recipe != 'Dromedary' || self.iterations <= 2",
            "recipe Dromedary has at most 2 iterations: set iterations to 1 (the model trained on "
            "principles) or 2 (its verbose clone)",
            "iterations",
        ),
        ValidationRule(
            "!has(self.dromedary) || !has(self.dromedary.verbose) "
            "|| self.selection.minSamples <= self.dromedary.verbose",
            "selection.minSamples is above dromedary.verbose, so iteration 2 cannot keep enough "
            "pairs: lower it, or raise dromedary.verbose",
            "selection.minSamples",
        ),
    ),
)
