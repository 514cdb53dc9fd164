"""The inference engine: what completes prompts, and what it may use of a device."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import Flag, Integer, Number, SpecModel


class VllmOptions(SpecModel):
    """Options of vLLM. None of them changes what is asked; some change how fast it is answered."""

    tensor_parallel_size: Integer = Field(
        default=1,
        ge=1,
        le=64,
        description="Number of GPUs of one pod over which the model's tensors are split.",
    )
    max_model_length: Integer | None = Field(
        default=None,
        ge=128,
        le=1048576,
        description=(
            "Longest prompt plus completion, in tokens; absent: the model's own. A smaller one "
            "leaves more memory for sequences."
        ),
    )
    gpu_memory_utilization: Number | None = Field(
        default=None,
        ge=0.0,
        le=0.99,
        description="Share of a GPU's memory that vLLM takes, above 0; absent: vLLM's own default.",
    )
    enforce_eager: Flag = Field(
        default=False,
        description=(
            "Run without compilation and CUDA graphs: starts faster, generates slower; for "
            "demonstrations and for debugging."
        ),
    )
    max_num_seqs: Integer | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Most sequences worked on at once; absent: what fits the device.",
    )


class Engine(SpecModel):
    """Which engine generates, answers and assesses."""

    type: Literal["VLLM", "Transformers"] = Field(
        default="VLLM",
        description=(
            "VLLM for throughput; Transformers for runs that are reproducible byte by byte on one "
            "machine."
        ),
    )
    dtype: Literal["Auto", "Float32", "BFloat16", "Float16"] = Field(
        default="Auto",
        description=(
            "Number format of the weights in inference, training and merged models; Auto: the "
            "model's own on GPUs, Float32 on CPUs."
        ),
    )
    vllm: VllmOptions = Field(default=VllmOptions(), description="Options that only vLLM reads.")
