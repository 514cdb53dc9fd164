"""A step does not depend on its micro-batches, and a loss that is not finite ends training."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from isheep_worker.training.batch_sharding import BatchShare
from isheep_worker.training.machine import Machine
from isheep_worker.training.outcome import TrainingDivergedError
from isheep_worker.training.step_schedule import StepSchedule
from isheep_worker.training.trainer_setup import build_trainer


def test_a_loss_that_is_not_finite_ends_training(training: Any, settings: Any) -> None:
    checkpoints = training.checkpoints()
    message = r"at step [2-5] of 6: \w+ is (nan|inf); lower training\.learningRate"
    with pytest.raises(TrainingDivergedError, match=message):
        training(
            settings=settings(learning_rate=1e25, warmup_steps=0),
            checkpoints=checkpoints,
            checkpoint_seconds=0.0,
        )
    # The step that diverged has no checkpoint.
    assert checkpoints.steps in ([1], [1, 2], [1, 2, 3], [1, 2, 3, 4])


def test_a_base_with_nan_weights_is_named_as_the_cause(
    training: Any, tiny_model_dir: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_model_dir, base)
    weights = load_file(base / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 5] = float("nan")
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingDivergedError, match=r"at step 1 of 6: loss is nan; .* base model"):
        training(base=base)


def test_a_last_step_that_breaks_the_model_is_detected_by_its_validation_loss(
    training: Any, settings: Any
) -> None:
    with pytest.raises(TrainingDivergedError, match=r"at step 1 of 1: eval_loss is .*; lower tra"):
        training(
            settings=settings(
                learning_rate=1e37, warmup_steps=0, effective_batch_size=32, num_train_epochs=1
            )
        )


class Gradients:
    """The loss and the gradients of an effective batch for different micro-batches."""

    def __init__(self, training: Any, settings: Any, split: Any) -> None:
        self.rows = split.train
        self._trainer = build_trainer(
            settings,
            split,
            seed=3,
            base=training.base,
            scratch=training.root,
            machine=Machine(device="cpu", tokens_at_once=1),
            schedule=StepSchedule(
                checkpoints=training.checkpoints(),
                provenance={},
                stop=lambda: False,
                clock=lambda: 0.0,
                checkpoint_seconds=1e9,
                evaluate_every=None,
            ),
            progress=lambda *_: None,
        )
        draw = torch.Generator().manual_seed(0)
        for name, weight in self._trained():
            if "lora_B" in name:
                # A new adapter is 0, and then half of the gradients are 0.
                weight.data.normal_(std=0.3, generator=draw)

    def of(self, tokens_at_once: int) -> tuple[list[int], float, dict[str, Any]]:
        """Return the tokens of each micro-batch, the loss, and the gradients."""
        trainer = self._trainer
        trainer.tokens_at_once = tokens_at_once
        trainer.model.zero_grad()
        steps = iter(trainer.get_train_dataloader())
        (step,), labels = trainer.get_batch_samples(steps, 1, torch.device("cpu"))
        loss = trainer.training_step(trainer.model, step, labels)
        found = {name: weight.grad.clone() for name, weight in self._trained()}
        sizes = [batch["input_ids"].numel() for batch in step["micro_batches"]]
        return sizes, float(loss), found

    def _trained(self) -> list[tuple[str, Any]]:
        named = self._trainer.model.named_parameters()
        return [(name, weight) for name, weight in named if weight.requires_grad]


def test_loss_and_gradients_of_a_step_are_the_same_for_any_micro_batches(
    training: Any, settings: Any, split: Any
) -> None:
    without_dropout = settings(dropout=0.0, effective_batch_size=12)
    gradients = Gradients(training, without_dropout, split(14, 0.0))
    sizes, loss, expected = gradients.of(10_000)
    assert len(sizes) == 1
    assert min(float(gradient.abs().max()) for gradient in expected.values()) > 1e-3
    for tokens_at_once in (0, 24, 37, 64, 100):
        cut, other_loss, found = gradients.of(tokens_at_once)
        assert sum(cut) == sum(sizes)
        longest = int(gradients.rows.lengths.max())
        assert len(cut) == 12 if tokens_at_once == 0 else max(cut) <= max(tokens_at_once, longest)
        assert 1 < len(cut) <= 12
        assert other_loss == pytest.approx(loss, abs=1e-6)
        for name, gradient in expected.items():
            assert float((found[name] - gradient).abs().max()) < 1e-6, (tokens_at_once, name)


def test_empty_micro_batches_change_neither_loss_nor_gradients(
    training: Any, settings: Any, split: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients = Gradients(training, settings(dropout=0.0), split(14, 0.0))
    sizes, loss, expected = gradients.of(64)
    cut = BatchShare.of
    monkeypatch.setattr(BatchShare, "of", lambda share, rows: [*cut(share, rows), [], []])
    more, other_loss, found = gradients.of(64)
    assert more == [*sizes, 1, 1]
    assert other_loss == pytest.approx(loss, abs=1e-6)
    for name, gradient in expected.items():
        assert float((found[name] - gradient).abs().max()) < 1e-6, name
