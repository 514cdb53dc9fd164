"""Limits of an engine on its machine."""

import pytest

from isheep_worker.engines.runtime import EngineRuntime


@pytest.mark.parametrize(("reduction", "sequences"), [(0, None), (1, 128), (2, 64), (20, 1)])
def test_without_a_batch_vllm_chooses_it_until_memory_is_exhausted(
    reduction: int, sequences: int | None
):
    assert EngineRuntime(memory_reduction=reduction).reduced_max_num_seqs == sequences


@pytest.mark.parametrize(
    ("reduction", "sequences", "batch"), [(0, 48, 6), (1, 24, 3), (2, 12, 1), (9, 1, 1)]
)
def test_each_memory_reduction_halves_the_batches(reduction: int, sequences: int, batch: int):
    runtime = EngineRuntime(max_num_seqs=48, batch_size=6, memory_reduction=reduction)
    assert runtime.reduced_max_num_seqs == sequences
    assert runtime.reduced_batch_size == batch
