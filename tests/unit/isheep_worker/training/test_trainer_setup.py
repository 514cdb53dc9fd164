"""A training has a frozen base, an adapter that follows the seed, and micro-batches that fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from isheep_worker.training import trainer_setup


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
    assert outcome.micro_batch_size == 1
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
