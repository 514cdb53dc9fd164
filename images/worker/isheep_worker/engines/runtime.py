"""Limits of an engine on its machine. They change its speed and memory, never its prompts."""

from __future__ import annotations

from dataclasses import dataclass

USUAL_MAX_NUM_SEQS = 256
"""The batch that a reduction halves if vLLM chose the batch, and the batch on a CPU."""


@dataclass(frozen=True, slots=True)
class EngineRuntime:
    """Limits of an engine on its machine.

    `max_num_seqs` is the largest batch of vLLM, or None for vLLM's own choice for the device, and
    `batch_size` is the batch size of the Transformers engine. When a stage is retried after its
    device's memory was exhausted, its `memory_reduction` is one higher. Each unit of it halves both
    batch sizes. With `can_sleep`, the engine is loaded so that `Engine.sleep` is possible later.

    No field here is part of a stage's key. This is correct for the Transformers engine because no
    field of the spec sets `batch_size`: another batch size rounds differently, and may reverse a
    near tie between two tokens.
    """

    max_num_seqs: int | None = None
    batch_size: int = 16
    gpu_memory_utilization: float = 0.9
    tensor_parallel_size: int = 1
    enforce_eager: bool = False
    memory_reduction: int = 0
    can_sleep: bool = False

    @property
    def reduced_max_num_seqs(self) -> int | None:
        """`max_num_seqs` after the reductions, at least 1; None for vLLM's own choice."""
        if self.max_num_seqs is None and self.memory_reduction == 0:
            return None
        return max(1, (self.max_num_seqs or USUAL_MAX_NUM_SEQS) >> self.memory_reduction)

    @property
    def reduced_batch_size(self) -> int:
        """`batch_size` after the reductions, at least 1."""
        return max(1, self.batch_size >> self.memory_reduction)
