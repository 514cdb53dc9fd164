"""Opening an engine by name. The engines' libraries are imported only when one is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from isheep_worker.engines.interface import Engine

EngineKind = Literal["VLLM", "Transformers"]


@dataclass(frozen=True, slots=True)
class EngineRuntime:
    """What an engine may use of its machine.

    `max_num_seqs` bounds vLLM's batch, `batch_size` is the Transformers engine's. A
    stage repeated after its device's memory was exhausted comes with a
    `memory_reduction` one higher, and each step halves both.

    Nothing here is part of a stage's key. For the Transformers engine that holds because
    nobody sets `batch_size`: another one rounds differently, and a near tie between two
    tokens may then fall the other way.
    """

    max_num_seqs: int = 256
    batch_size: int = 16
    gpu_memory_utilization: float = 0.9
    tensor_parallel_size: int = 1
    enforce_eager: bool = False
    memory_reduction: int = 0

    @property
    def reduced_max_num_seqs(self) -> int:
        """`max_num_seqs` after the reductions, at least 1."""
        return max(1, self.max_num_seqs >> self.memory_reduction)

    @property
    def reduced_batch_size(self) -> int:
        """`batch_size` after the reductions, at least 1."""
        return max(1, self.batch_size >> self.memory_reduction)


def open_engine(
    kind: EngineKind,
    model_dir: Path,
    dtype: str,
    max_model_length: int | None,
    runtime: EngineRuntime,
) -> Engine:
    """Load the model of a folder and return its engine; the caller closes it.

    `dtype` is torch's name (`float32`, `bfloat16`) or `auto`. `max_model_length` bounds
    prompt and completion together, in tokens; None means the model's own bound. Raises
    `DeviceMemoryError` where the model does not fit.
    """
    if kind == "VLLM":
        from isheep_worker.engines.vllm_engine import VLLMEngine  # noqa: PLC0415 - heavy

        return VLLMEngine(model_dir, dtype, max_model_length, runtime)
    from isheep_worker.engines.transformers_engine import (  # noqa: PLC0415 - heavy
        TransformersEngine,
    )

    return TransformersEngine(model_dir, dtype, max_model_length, runtime)
