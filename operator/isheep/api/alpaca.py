"""The settings of the recipe Alpaca: its examples and its sampling."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import Integer, Number, SpecModel
from isheep.api.recipe_definition import RecipeDefinition
from isheep.api.sampling import InstructionSampling, top_p


class WholeTaskSampling(InstructionSampling):
    """How completions are sampled that list whole tasks."""

    top_p: Number = top_p(1.0)
    max_tokens: Integer = Field(
        default=3072,
        ge=16,
        le=32768,
        description="Maximum length of a completion, in tokens. The tasks include their outputs.",
    )


class Alpaca(SpecModel):
    """How Alpaca prompts the model. The defaults are Alpaca's own settings."""

    examples_per_prompt: Integer = Field(
        default=3,
        ge=1,
        le=16,
        description="Number of seed tasks in each prompt, each with its input and its output.",
    )
    sampling: WholeTaskSampling = Field(
        default=WholeTaskSampling(), description="How completions of the task list are sampled."
    )


ALPACA = RecipeDefinition(
    name="Alpaca",
    rule_set="SelfInstruct",  # Alpaca uses the filters of Self-Instruct.
    selection_method="None",
    task_list="Alpaca",
    settings=Alpaca,
)
