"""What is put together for a training: a frozen base, a seeded adapter, the batch's cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from isheep_worker.training import build


def _trainable(model: Any) -> dict[str, Any]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_only_the_adapter_is_trained_and_in_float32(
    tiny_model_dir: Path, settings: Any, dtype: str
) -> None:
    model = build.load_for_training(settings(dtype=dtype), tiny_model_dir, 3, "cpu")
    trainable = _trainable(model)
    assert len(trainable) == 2 * 14
    assert all(".lora_" in name and "lm_head" not in name for name in trainable)
    assert {value.dtype for value in trainable.values()} == {torch.float32}
    assert model.get_base_model().model.embed_tokens.weight.dtype == getattr(torch, dtype)


def test_the_adapter_begins_with_what_the_seed_says(tiny_model_dir: Path, settings: Any) -> None:
    one, same, other = (
        _trainable(build.load_for_training(settings(), tiny_model_dir, seed, "cpu"))
        for seed in (3, 3, 4)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_what_cannot_be_packed_is_trained_row_by_row(
    training: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(build, "prepare_packing", lambda _: False)
    outcome, _ = training(tokens_at_once=128)
    assert outcome.micro_batch_size == 1
    assert outcome.completed
    assert "row by row" in caplog.text


def test_training_as_on_a_gpu(training: Any, uninterrupted: Any, settings: Any) -> None:
    """bfloat16, packed, activations recomputed: all that a GPU changes but the device."""
    expected, _ = uninterrupted
    outcome, _ = training(
        settings=settings(dtype="bfloat16"), tokens_at_once=128, recompute_activations=True
    )
    assert outcome.completed
    for row, other in zip(outcome.log, expected.log, strict=True):
        assert row.loss == pytest.approx(other.loss, abs=0.05)
