"""How much memory of the host a training needs, to decide whether an engine can stay loaded.

With `training.handover: Adapter`, all iterations use the same base model. An engine that stays
during the training need not load it again. If it takes the memory that the training needs, the
kernel kills one of both. So the engine stays only if the free memory holds an estimate of the
training: its weights, on a CPU also its activations and its optimizer, and a reserve for libraries.

On a GPU, the engine's weights move into the memory of the host, which then has to hold them. They
are as large as those of the training, so the estimate is the same.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

from isheep.recipes.settings import TrainSettings
from isheep_worker.engines.causal_model import model_config
from isheep_worker.inputs.weight_files import stored_tensors, weight_files
from isheep_worker.training.machine import CPU_TOKENS_AT_ONCE
from isheep_worker.training.memory_plan import Memory, needed_bytes, shape_of

GIB = 1024**3
RESERVE = 2 * GIB
"""For the libraries of the training's process, its texts and its checkpoints."""
_SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}


def host_bytes(base: Path, settings: TrainSettings, *, on_gpu: bool) -> int:
    """Return the memory of the host, in bytes, that must be free for a training.

    Args:
        base: The folder of the base model, with its weights.
        settings: The settings of the training.
        on_gpu: Whether the training uses a GPU.
    """
    shapes = [t.shape for file in weight_files(base) for t in stored_tensors(file).values()]
    element = _SIZES[settings.dtype]
    weights = element * sum(prod(shape) for shape in shapes)
    if on_gpu:
        return weights + RESERVE
    config = model_config(base)
    trained = settings.lora.r * sum(sum(shape) for shape in shapes if len(shape) == 2)
    # The sum of an expert's weights and its adapter is kept like an activation.
    rebuilt = weights if getattr(config.get_text_config(), "num_experts_per_tok", None) else 0
    tokens = max(CPU_TOKENS_AT_ONCE, settings.max_length)
    memory = Memory(free=0, trained=trained, rebuilt=rebuilt)
    needed = needed_bytes(shape_of(config), memory, tokens, element, recomputes=False)
    return weights + needed + RESERVE
