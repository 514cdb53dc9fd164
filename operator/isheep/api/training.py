"""How M(t) is trained on D(t) (§3.3, §4)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import Integer, Number, SpecModel


class Lora(SpecModel):
    """The shape of the adapter (§4)."""

    r: Integer = Field(default=8, ge=1, le=512, description="Rank of the adapter's matrices.")
    alpha: Integer = Field(
        default=16, ge=1, le=4096, description="Scale of the adapter; alpha / r is its weight."
    )
    dropout: Number = Field(
        default=0.05, ge=0.0, le=0.9, description="Dropout of the adapter's input in training."
    )
    target_modules: Literal["AllLinear"] = Field(
        default="AllLinear",
        description="Which modules are adapted: all linear layers but the output head.",
    )


class Training(SpecModel):
    """Supervised fine-tuning with LoRA; the loss is on the response only."""

    start_from: Literal["Base", "Previous"] = Field(
        default="Base",
        description=(
            "What is trained in iteration t: M(0), as the paper adopted (One_base), or M(t-1) "
            "(One_last), with a new adapter and optimizer."
        ),
    )
    data: Literal["Latest", "All"] = Field(
        default="Latest",
        description="What it is trained on: D(t), or D(1) to D(t) (Total_base).",
    )
    max_samples: Integer = Field(
        default=3000,
        ge=1,
        le=10000000,
        description=(
            "The first so many pairs of each D(t) are used, as in the released scripts; D(t) "
            "itself is not cut."
        ),
    )
    validation_share: Number = Field(
        default=0.1,
        ge=0.0,
        le=0.5,
        description="Share of the used pairs that is held out to measure the validation loss.",
    )
    checkpoint: Literal["LowestValidationLoss", "Last"] = Field(
        default="LowestValidationLoss",
        description=(
            "Which step's adapter is M(t): of those after which the validation loss was measured "
            "the one where it is lowest, the first among equals, as in the paper; or the last "
            "step's. Where no pair is held out it is the last step's."
        ),
    )
    evaluation_steps: Integer = Field(
        default=100,
        ge=1,
        le=1000000,
        description=(
            "The validation loss is measured every so many optimizer steps, and after the last."
        ),
    )
    effective_batch_size: Integer = Field(
        default=16,
        ge=1,
        le=4096,
        description="Pairs an optimizer step, over all GPUs and accumulation together.",
    )
    num_train_epochs: Integer = Field(
        default=2, ge=1, le=100, description="Passes over the training pairs."
    )
    learning_rate: Number = Field(
        default=5e-5,
        ge=0.0,
        le=1.0,
        description="Highest learning rate, above 0; it falls along a cosine after the warm-up.",
    )
    warmup_steps: Integer = Field(
        default=20,
        ge=0,
        le=100000,
        description="Optimizer steps over which the learning rate rises from 0.",
    )
    max_length: Integer = Field(
        default=1024,
        ge=32,
        le=131072,
        description="Pairs are cut after this many tokens, prompt and response together.",
    )
    lora: Lora = Field(default=Lora(), description="The shape of the adapter.")
    handover: Literal["Merged", "Adapter"] = Field(
        default="Merged",
        description=(
            "What the next iteration loads and the run leaves: merged full weights, or the "
            "adapter, which is served beside the base and needs no merge stage."
        ),
    )
    num_nodes: Integer = Field(
        default=1, ge=1, le=64, description="Pods that train together, each with its GPUs."
    )
