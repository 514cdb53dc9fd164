"""How M(t) is trained on D(t) (§3.3, §4)."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import Integer, Number, SpecModel
from isheep.contract.choices import (
    EVALUATION_STEPS,
    Checkpoint,
    Handover,
    ModelSource,
    TargetModules,
    TrainingData,
    TrainingTake,
)


class Lora(SpecModel):
    """The shape of the adapter (§4)."""

    r: Integer = Field(default=8, ge=1, le=512, description="Rank of the adapter's matrices.")
    alpha: Integer = Field(
        default=16,
        ge=1,
        le=4096,
        description="Scale of the adapter, whose output is multiplied by alpha / r.",
    )
    dropout: Number = Field(
        default=0.05,
        ge=0.0,
        le=0.9,
        description="Dropout of the adapter's input in training. Experts have no dropout.",
    )
    target_modules: TargetModules = Field(
        default="AllLinear",
        description=(
            "The weights with an adapter: those of all linear layers and experts of the language "
            "model, except the output head."
        ),
    )


class Training(SpecModel):
    """Supervised fine-tuning with LoRA; the loss covers the response only."""

    start_from: ModelSource = Field(
        default="Base",
        description=(
            "The model that iteration t trains, with a new adapter and optimizer: M(0), as the "
            "paper adopted (Base, One_base), or M(t-1) (Previous, One_last)."
        ),
    )
    data: TrainingData = Field(
        default="Latest",
        description="The training data: D(t) (Latest), or D(1) to D(t) (All, Total_base).",
    )
    max_samples: Integer = Field(
        default=3000,
        ge=1,
        le=10000000,
        description=(
            "Maximum number of pairs used of each D(t). D(t) itself is not cut. `take` decides "
            "which pairs are used."
        ),
    )
    take: TrainingTake = Field(
        default="Drawn",
        description=(
            "Which pairs of D(t) are used if there are more than maxSamples: a random draw "
            "(Drawn), or the first ones (First), as in the released scripts. The first pairs are "
            "all from the first round of instructions."
        ),
    )
    validation_share: Number = Field(
        default=0.1,
        ge=0.0,
        le=0.5,
        description="Share of the used pairs that is held out to measure the validation loss.",
    )
    checkpoint: Checkpoint = Field(
        default="LowestValidationLoss",
        description=(
            "The step whose adapter is M(t): the first step with the lowest measured validation "
            "loss, as in the paper, or the last step. If no pair is held out, it is the last step."
        ),
    )
    evaluation_steps: Integer = Field(
        default=EVALUATION_STEPS,
        ge=1,
        le=1000000,
        description=(
            "Optimizer steps between two measurements of the validation loss. It is also measured "
            "after the last step."
        ),
    )
    effective_batch_size: Integer = Field(
        default=16,
        ge=1,
        le=4096,
        description="Pairs in one optimizer step, over all GPUs and accumulation steps.",
    )
    num_train_epochs: Integer = Field(
        default=2, ge=1, le=100, description="Number of passes over the training pairs."
    )
    learning_rate: Number = Field(
        default=5e-5,
        ge=0.0,
        le=1.0,
        description=(
            "Maximum learning rate, above 0. After the warm-up, it decreases along a cosine curve."
        ),
    )
    warmup_steps: Integer = Field(
        default=20,
        ge=0,
        le=100000,
        description="Optimizer steps in which the learning rate increases from 0.",
    )
    max_length: Integer = Field(
        default=1024,
        ge=32,
        le=131072,
        description="Maximum length of prompt and response together, in tokens; the rest is cut.",
    )
    lora: Lora = Field(default=Lora(), description="The shape of the adapter.")
    handover: Handover = Field(
        default="Merged",
        description=(
            "The form of M(t) that the next iteration loads and that the run stores: full merged "
            "weights (Merged), or the adapter (Adapter), which the engine adds to the base model "
            "and which needs no merge stage."
        ),
    )
    num_nodes: Integer = Field(
        default=1,
        ge=1,
        le=64,
        description="Number of pods that train together, each with its own GPUs.",
    )
