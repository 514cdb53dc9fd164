"""A loss that is not finite ends training with an error that names the remedy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from isheep_worker.training.outcome import TrainingDivergedError


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
