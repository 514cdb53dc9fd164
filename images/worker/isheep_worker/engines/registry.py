"""Opening an engine by name. The engines' libraries are imported only when one is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from isheep_worker.engines.interface import Engine
from isheep_worker.engines.runtime import EngineRuntime

EngineKind = Literal["VLLM", "Transformers"]


def open_engine(
    kind: EngineKind,
    model_dir: Path,
    dtype: str,
    max_model_length: int | None,
    runtime: EngineRuntime,
    *,
    max_adapter_rank: int = 0,
) -> Engine:
    """Load the model of a folder and return its engine; the caller closes it.

    `dtype` is torch's name (`float32`, `bfloat16`) or `auto`. `max_model_length` bounds
    prompt and completion together, in tokens; None means the model's own bound.
    `max_adapter_rank` is the room for adapters; an engine without it may be faster, and serves
    none. Raises `DeviceMemoryError` where the model does not fit.
    """
    if kind == "VLLM":
        from isheep_worker.engines.vllm_engine import VLLMEngine  # noqa: PLC0415 - heavy

        return VLLMEngine(
            model_dir, dtype, max_model_length, runtime, max_adapter_rank=max_adapter_rank
        )
    from isheep_worker.engines.transformers_engine import (  # noqa: PLC0415 - heavy
        TransformersEngine,
    )

    return TransformersEngine(model_dir, dtype, max_model_length, runtime)
