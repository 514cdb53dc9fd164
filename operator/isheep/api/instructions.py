"""How a model generates instructions (§3.1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import ConfigMapKeyReference, Integer, SpecModel
from isheep.api.model import StorageUri
from isheep.api.sampling import InstructionSampling


class SeedTasks(SpecModel):
    """The source of the seed tasks: exactly one of the fields."""

    builtin: Literal["Default"] | None = Field(
        default=None, description="The seed tasks that the software contains."
    )
    storage_uri: StorageUri | None = Field(
        default=None,
        description=(
            "A data file: JSON Lines, a JSON list, CSV or Parquet, plain or packed with gzip or "
            "zstd, in the columns of Self-Instruct, Alpaca, Dolly, TRL or of a chat."
        ),
    )
    config_map_ref: ConfigMapKeyReference | None = Field(
        default=None, description="A key of a ConfigMap with a file in one of these formats."
    )


class Instructions(SpecModel):
    """How many instructions an iteration accepts, and how they are generated (§3.1)."""

    count: Integer = Field(
        default=10000,
        ge=1,
        le=1000000,
        description=(
            "I of Algorithm 1: number of instructions that an iteration accepts, before any filter "
            "on responses."
        ),
    )
    examples_per_prompt: Integer = Field(
        default=5,
        ge=1,
        le=16,
        description="Number of seed tasks in each prompt, drawn uniformly (§3.1).",
    )
    max_rounds: Integer = Field(
        default=20,
        ge=1,
        le=100,
        description=(
            "Maximum number of generation rounds in an iteration. From round 3 on, a run that "
            "would need more rounds at its keep rate fails with KeepRateTooLow."
        ),
    )
    sampling: InstructionSampling = Field(
        default=InstructionSampling(), description="How completions are sampled."
    )
