"""How a model is brought to write instructions of its own (§3.1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import ConfigMapKeyReference, Integer, SpecModel
from isheep.api.model import StorageUri
from isheep.api.sampling import InstructionSampling


class SeedTasks(SpecModel):
    """Exactly one of the places where seed tasks can be."""

    builtin: Literal["Default"] | None = Field(
        default=None, description="The seed tasks that come with the software."
    )
    storage_uri: StorageUri | None = Field(
        default=None,
        description="A file in Self-Instruct's format, one JSON object a line.",
    )
    config_map_ref: ConfigMapKeyReference | None = Field(
        default=None, description="The same format in a key of a ConfigMap."
    )


class Instructions(SpecModel):
    """How many instructions an iteration wants, and how it asks for them (§3.1)."""

    count: Integer = Field(
        default=10000,
        ge=1,
        le=1000000,
        description=(
            "I of Algorithm 1: instructions that an iteration accepts, counted before any filter "
            "on responses."
        ),
    )
    examples_per_prompt: Integer = Field(
        default=5,
        ge=1,
        le=16,
        description="Seed tasks shown in each prompt, drawn uniformly (§3.1).",
    )
    max_rounds: Integer = Field(
        default=20,
        ge=1,
        le=100,
        description=(
            "Most rounds of an iteration; a run that would need more, judged after 3, fails with "
            "KeepRateTooLow."
        ),
    )
    sampling: InstructionSampling = Field(
        default=InstructionSampling(), description="How completions are drawn."
    )
