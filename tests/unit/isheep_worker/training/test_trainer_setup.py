"""A training has a frozen base, an adapter that follows the seed, and micro-batches that fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from isheep_worker.training import trainer_setup
from isheep_worker.training.memory_plan import Memory, MemoryPlan


def _trainable(model: Any) -> dict[str, Any]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_only_the_adapter_is_trainable_and_it_is_in_float32(
    tiny_model_dir: Path, settings: Any, dtype: str
) -> None:
    model = trainer_setup.load_for_training(settings(dtype=dtype), tiny_model_dir, 3, "cpu")
    trainable = _trainable(model)
    assert len(trainable) == 2 * 14
    assert all(".lora_" in name and "lm_head" not in name for name in trainable)
    assert {value.dtype for value in trainable.values()} == {torch.float32}
    assert model.get_base_model().model.embed_tokens.weight.dtype == getattr(torch, dtype)


def test_the_adapters_initial_values_follow_the_seed(tiny_model_dir: Path, settings: Any) -> None:
    one, same, other = (
        _trainable(trainer_setup.load_for_training(settings(), tiny_model_dir, seed, "cpu"))
        for seed in (3, 3, 4)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_model_that_cannot_keep_rows_apart_is_trained_on_one_row_at_a_time(
    training: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trainer_setup, "prepare_packing", lambda _: False)
    outcome, _ = training(tokens_at_once=128)
    assert outcome.tokens_at_once == 0
    assert outcome.completed
    assert "one row at a time" in caplog.text


def test_training_with_the_settings_of_a_gpu_has_the_same_losses(
    training: Any, uninterrupted: Any, settings: Any
) -> None:
    """A GPU changes the dtype to bfloat16, packs rows and recomputes activations."""
    expected, _ = uninterrupted
    outcome, _ = training(
        settings=settings(dtype="bfloat16"), tokens_at_once=128, recompute_activations=True
    )
    assert outcome.completed
    for row, other in zip(outcome.log, expected.log, strict=True):
        assert row.loss == pytest.approx(other.loss, abs=0.05)


def test_the_memory_of_a_training_contains_what_its_adapter_and_its_processes_need(
    architecture_dir: Callable[[str], Path], tiny_model_dir: Path, settings: Any
) -> None:
    def memory_of(base: Path, world_size: int = 1) -> tuple[Any, Memory]:
        model = trainer_setup.load_for_training(settings(dtype="bfloat16"), base, 3, "cpu")
        return model.get_base_model(), trainer_setup.memory_of(model, 1000, world_size)

    dense, memory = memory_of(tiny_model_dir)
    trained = sum(weight.numel() for weight in _trainable(dense).values())
    assert memory == Memory(free=1000, trained=trained, rebuilt=0, gathered=0)
    _, sharded = memory_of(tiny_model_dir, world_size=2)
    head = dense.config.vocab_size * dense.config.hidden_size
    weights = sum(weight.numel() for weight in dense.parameters())
    assert sharded.gathered == 2 * (weights + head)  # the model has two layers
    # The adapter of experts is added to their weights, so each layer holds the sums.
    _, memory = memory_of(architecture_dir("qwen3_moe"))
    layers, experts, hidden, intermediate = 2, 4, 32, 24
    assert memory.rebuilt == 2 * layers * experts * 3 * hidden * intermediate


@pytest.mark.parametrize(("free", "recomputes"), [(2**30, False), (2**20, True)])
def test_a_gpu_computes_activations_twice_only_if_they_do_not_fit(
    tiny_model_dir: Path,
    settings: Any,
    split: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    free: int,
    recomputes: bool,
) -> None:
    """PyTorch reserves half of the free memory and uses none of it."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free // 2, 2**40))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: free // 2)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 0)
    model = trainer_setup.load_for_training(settings(dtype="bfloat16"), tiny_model_dir, 3, "cpu")
    limits = MemoryPlan(256, recomputes=False)
    with caplog.at_level("INFO"):
        plan = trainer_setup.plan_for_gpu(model, split(), limits, world_size=1)
    assert plan.recomputes == recomputes
    assert (plan.tokens_at_once == 256) == (not recomputes)
    assert f"computed {'twice' if recomputes else 'once'}" in caplog.text
