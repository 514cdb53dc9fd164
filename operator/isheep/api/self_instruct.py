"""What only the recipe SelfInstruct asks: its exemplars, its sampling, its instances."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import Integer, Number, SpecModel
from isheep.api.sampling import (
    InstructionSampling,
    Sampling,
    presence_penalty,
    temperature,
    top_p,
)


class TaskSampling(InstructionSampling):
    """How completions of Self-Instruct's list of tasks are drawn."""

    temperature: Number = temperature(0.7)
    top_p: Number = top_p(0.5)
    presence_penalty: Number | None = presence_penalty(2.0)
    max_tokens: Integer = Field(
        default=1024, ge=16, le=32768, description="Longest completion, in tokens."
    )


class InstanceSampling(Sampling):
    """How a task's instances are drawn."""

    temperature: Number = temperature(0.0)
    presence_penalty: Number | None = presence_penalty(1.5)
    max_tokens: Integer = Field(
        default=350,
        ge=16,
        le=32768,
        description="Longest completion, in tokens: all instances of a task together.",
    )


class SelfInstruct(SpecModel):
    """What Self-Instruct asks of the model; the defaults are its own settings."""

    examples_per_prompt: Integer = Field(
        default=8,
        ge=1,
        le=16,
        description="Tasks shown in each prompt, human and machine-made ones together.",
    )
    machine_examples: Integer = Field(
        default=2,
        ge=0,
        le=16,
        description=(
            "How many of them the model has made: drawn from what was accepted by the end of the "
            "round before. Seed tasks take the place of those that are not there yet."
        ),
    )
    sampling: TaskSampling = Field(
        default=TaskSampling(), description="How completions of the list of tasks are drawn."
    )
    instances: Literal["FewShot", "ZeroShot"] = Field(
        default="FewShot",
        description=(
            "FewShot is the method in full: each task is told to be a classification or not, and "
            "its instances are written after examples, output first or input first. ZeroShot is "
            "the I-SHEEP paper's light variant: the tasks are answered as they are, as "
            "`responses` says, without examples and without instances."
        ),
    )
    max_instances: Integer = Field(
        default=5, ge=1, le=16, description="Most instances of a task (FewShot)."
    )
    instance_sampling: InstanceSampling = Field(
        default=InstanceSampling(), description="How a task's instances are drawn (FewShot)."
    )
