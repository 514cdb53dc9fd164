"""The machine follows torchrun's environment and limits."""

from __future__ import annotations

from isheep_worker.training.machine import machine_for


def test_the_machine_follows_the_device_and_torchruns_variables() -> None:
    torchrun = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}
    gpu = machine_for("cuda", torchrun)
    assert (gpu.world_size, gpu.rank, gpu.local_rank) == (4, 3, 1)
    cpu = machine_for("cpu", {})
    assert (cpu.world_size, cpu.rank, cpu.local_rank) == (1, 0, 0)
    assert 0 < cpu.tokens_at_once < gpu.tokens_at_once


def test_after_exhausted_memory_tokens_are_halved_and_a_gpu_computes_activations_twice() -> None:
    for device in ("cpu", "cuda"):
        usual, once, twice = (machine_for(device, {}, memory_reduction=n) for n in range(3))
        assert usual.tokens_at_once == 2 * once.tokens_at_once == 4 * twice.tokens_at_once
        assert not usual.recompute_activations
        on_gpu = device == "cuda"
        assert once.recompute_activations == twice.recompute_activations == on_gpu
