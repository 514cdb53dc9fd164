"""The settings of the recipe SelfInstruct: its examples, its sampling and its instances."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import Integer, Number, SpecModel
from isheep.api.recipe_definition import RecipeDefinition
from isheep.api.sampling import (
    InstructionSampling,
    Sampling,
    presence_penalty,
    temperature,
    top_p,
)
from isheep.api.validation_rule import ValidationRule
from isheep.contract.choices import InstanceStyle


class TaskSampling(InstructionSampling):
    """How completions of Self-Instruct's task list are sampled."""

    temperature: Number = temperature(0.7)
    top_p: Number = top_p(0.5)
    presence_penalty: Number | None = presence_penalty(2.0)
    max_tokens: Integer = Field(
        default=1024, ge=16, le=32768, description="Maximum length of a completion, in tokens."
    )


class InstanceSampling(Sampling):
    """How the instances of a task are sampled."""

    temperature: Number = temperature(0.0)
    presence_penalty: Number | None = presence_penalty(1.5)
    max_tokens: Integer = Field(
        default=350,
        ge=16,
        le=32768,
        description=(
            "Maximum length of a completion, in tokens. One completion holds all instances of a "
            "task."
        ),
    )


class SelfInstruct(SpecModel):
    """How Self-Instruct prompts the model. The defaults are Self-Instruct's own settings."""

    examples_per_prompt: Integer = Field(
        default=8,
        ge=1,
        le=16,
        description="Number of tasks in each prompt, seed tasks and machine-made tasks together.",
    )
    machine_examples: Integer = Field(
        default=2,
        ge=0,
        le=16,
        description=(
            "How many of these tasks are machine-made. They are drawn from the instructions that "
            "were accepted before the current round. If there are too few, seed tasks replace "
            "the missing ones."
        ),
    )
    sampling: TaskSampling = Field(
        default=TaskSampling(), description="How completions of the task list are sampled."
    )
    instances: InstanceStyle = Field(
        default="FewShot",
        description=(
            "How tasks become pairs. FewShot is the full method: the model decides whether a task "
            "is a classification, and then writes instances of the task after examples, output "
            "first for classifications and input first for other tasks. ZeroShot is the light "
            "variant of the I-SHEEP paper: the model answers the tasks without examples and "
            "without instances, as `responses` configures."
        ),
    )
    max_instances: Integer = Field(
        default=5, ge=1, le=16, description="Maximum number of instances of a task (FewShot)."
    )
    instance_sampling: InstanceSampling = Field(
        default=InstanceSampling(), description="How the instances of a task are sampled (FewShot)."
    )


SELF_INSTRUCT = RecipeDefinition(
    name="SelfInstruct",
    rule_set="SelfInstruct",
    selection_method="None",
    task_list="SelfInstruct",
    settings=SelfInstruct,
    settings_rules=(
        ValidationRule(
            "self.machineExamples <= self.examplesPerPrompt",
            "machineExamples is above examplesPerPrompt, which includes them: lower it, or raise "
            "examplesPerPrompt",
            "machineExamples",
        ),
    ),
)
