"""What only the recipe Alpaca asks: its exemplars and its sampling."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import Integer, Number, SpecModel
from isheep.api.sampling import InstructionSampling, top_p


class WholeTaskSampling(InstructionSampling):
    """How completions of Alpaca's list of whole tasks are drawn."""

    top_p: Number = top_p(1.0)
    max_tokens: Integer = Field(
        default=3072,
        ge=16,
        le=32768,
        description="Longest completion, in tokens; tasks come with their outputs.",
    )


class Alpaca(SpecModel):
    """What Alpaca asks of the model; the defaults are its own settings."""

    examples_per_prompt: Integer = Field(
        default=3,
        ge=1,
        le=16,
        description="Seed tasks shown in each prompt, each with its input and its output.",
    )
    sampling: WholeTaskSampling = Field(
        default=WholeTaskSampling(), description="How completions of the list of tasks are drawn."
    )
