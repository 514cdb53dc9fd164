"""What an engine may use of its machine: it decides speed and memory, never what is asked."""

from __future__ import annotations

from dataclasses import dataclass


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
