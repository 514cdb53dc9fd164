"""The machine follows torchrun's environment and limits, and micro-batches fit its memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.training.machine import machine_for, micro_batch_size


def test_the_machine_follows_the_device_and_torchruns_variables() -> None:
    torchrun = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}
    gpu = machine_for("cuda", torchrun, memory_reduction=1)
    assert (gpu.world_size, gpu.rank, gpu.local_rank) == (4, 3, 1)
    assert gpu.recompute_activations
    assert gpu.tokens_at_once * 2 == machine_for("cuda", {}).tokens_at_once
    cpu = machine_for("cpu", {})
    assert (cpu.world_size, cpu.recompute_activations) == (1, False)
    assert 0 < cpu.tokens_at_once < gpu.tokens_at_once
    assert machine_for("cpu", {}, memory_reduction=1).tokens_at_once * 2 == cpu.tokens_at_once
    assert (cpu.rank, cpu.local_rank) == (0, 0)


@given(st.integers(1, 512), st.integers(1, 8192), st.integers(0, 65536))
def test_micro_batches_divide_the_effective_batch_and_fit(
    effective: int, max_length: int, tokens_at_once: int
) -> None:
    rows = micro_batch_size(effective, max_length, tokens_at_once)
    assert effective % rows == 0
    assert rows == 1 or rows * max_length <= tokens_at_once
    assert not any(
        effective % more == 0 and more * max_length <= tokens_at_once
        for more in range(rows + 1, effective + 1)
    )
