"""The inference engine, which completes prompts, and its use of a device."""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import Flag, Integer, Number, SpecModel
from isheep.contract.choices import EngineType, WeightFormatSetting


class VllmOptions(SpecModel):
    """Options of vLLM. They change no prompt; some of them change the speed."""

    tensor_parallel_size: Integer = Field(
        default=1,
        ge=1,
        le=64,
        description="Number of GPUs of one pod that share the model's tensors.",
    )
    max_model_length: Integer | None = Field(
        default=None,
        ge=128,
        le=1048576,
        description=(
            "Maximum length of prompt and completion together, in tokens. A smaller value leaves "
            "more memory for sequences. If absent: what the longest prompt and its answer need, "
            "rounded up, but not more than the model's maximum."
        ),
    )
    gpu_memory_utilization: Number | None = Field(
        default=None,
        ge=0.0,
        le=0.99,
        description="Share of a GPU's memory that vLLM uses, above 0. If absent: vLLM's default.",
    )
    enforce_eager: Flag = Field(
        default=False,
        description=(
            "Run without compilation and CUDA graphs. vLLM then starts faster and generates more "
            "slowly, which suits demonstrations and debugging."
        ),
    )
    max_num_seqs: Integer | None = Field(
        default=None,
        ge=1,
        le=4096,
        description=(
            "Maximum number of sequences in one batch. If absent: vLLM's own choice for the device."
        ),
    )


class Engine(SpecModel):
    """The engine that generates, answers and scores."""

    type: EngineType = Field(
        default="VLLM",
        description=(
            "VLLM has the higher throughput. Transformers makes runs reproducible to the byte on "
            "one machine."
        ),
    )
    dtype: WeightFormatSetting = Field(
        default="Auto",
        description=(
            "Number format of the weights in inference, training and merged models. Auto is the "
            "model's own format on GPUs, and Float32 on CPUs."
        ),
    )
    vllm: VllmOptions = Field(default=VllmOptions(), description="Options that only vLLM reads.")
