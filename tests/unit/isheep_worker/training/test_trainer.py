"""At the end of a step: what is evaluated, saved and stopped, and what ends training."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from isheep_worker.training.sft import TrainingDivergedError
from isheep_worker.training.trainer import Pace


class _Recorded:
    def __init__(self) -> None:
        self.saved: list[tuple[list[str], int]] = []

    def save(self, folder: Path, step: int) -> None:
        self.saved.append((sorted(path.name for path in folder.iterdir()), step))

    def latest(self) -> Path | None:
        return None

    def discard(self) -> None:
        raise AssertionError


def _pace(now: list[float], **changes: Any) -> Pace:
    fields: dict[str, Any] = {
        "checkpoints": _Recorded(),
        "provenance": {},
        "stop": lambda: False,
        "clock": lambda: now[0],
        "checkpoint_seconds": 600.0,
        "evaluate_every": None,
    }
    pace = Pace(**fields | changes)
    pace.on_train_begin()
    return pace


def _step_end(pace: Pace, step: int, steps: int = 10) -> tuple[bool, bool, bool]:
    control = SimpleNamespace(should_evaluate=False, should_save=False, should_training_stop=False)
    pace.on_step_end(None, SimpleNamespace(global_step=step, max_steps=steps), control)
    return control.should_evaluate, control.should_save, control.should_training_stop


def test_a_checkpoint_is_due_when_its_time_is_up(tmp_path: Path) -> None:
    now = [0.0]
    checkpoints = _Recorded()
    pace = _pace(now, checkpoints=checkpoints)
    now[0] = 599.0
    assert _step_end(pace, 1) == (False, False, False)
    now[0] = 600.0
    assert _step_end(pace, 2) == (False, True, False)
    (tmp_path / "checkpoint-2").mkdir()
    pace.on_save(SimpleNamespace(output_dir=str(tmp_path)), SimpleNamespace(global_step=2), None)
    assert checkpoints.saved == [(["provenance.json"], 2)]
    assert not (tmp_path / "checkpoint-2").exists()
    now[0] = 1199.0
    assert _step_end(pace, 3) == (False, False, False)


def test_a_stop_saves_and_ends_but_not_at_the_last_step() -> None:
    pace = _pace([0.0], stop=lambda: True)
    assert _step_end(pace, 9) == (False, True, True)
    assert _step_end(pace, 10) == (False, False, False)


def test_what_is_due_in_one_process_is_done_in_all() -> None:
    stopped = _pace([0.0], together=lambda _: [True, False])
    assert _step_end(stopped, 3) == (False, True, True)
    due = _pace([0.0], together=lambda _: [False, True])
    assert _step_end(due, 3) == (False, True, False)
    asked: list[list[bool]] = []
    now = [0.0]
    pace = _pace(now, stop=lambda: True, together=lambda flags: asked.append(flags) or flags)
    now[0] = 600.0
    _step_end(pace, 3)
    # At the last step nobody is asked: there is nothing to agree on.
    _step_end(pace, 10)
    assert asked == [[True, True]]


@pytest.mark.parametrize(
    ("step", "evaluated"), [(1, False), (4, True), (5, False), (8, True), (10, True)]
)
def test_evaluation_comes_when_it_is_due_and_at_the_end(step: int, evaluated: bool) -> None:
    assert _step_end(_pace([0.0], evaluate_every=4), step)[0] is evaluated
    assert _step_end(_pace([0.0]), step)[0] is False


def test_a_loss_that_is_no_number_ends_training(training: Any, settings: Any) -> None:
    checkpoints = training.checkpoints()
    message = r"at step [2-5] of 6: \w+ is (nan|inf); lower training\.learningRate"
    with pytest.raises(TrainingDivergedError, match=message):
        training(
            settings=settings(learning_rate=1e25, warmup_steps=0),
            checkpoints=checkpoints,
            checkpoint_seconds=0.0,
        )
    # What diverged is not gone on from.
    assert checkpoints.steps in ([1], [1, 2], [1, 2, 3], [1, 2, 3, 4])


def test_a_base_that_is_no_number_is_told_as_such(
    training: Any, tiny_model_dir: Path, tmp_path: Path
) -> None:
    base = tmp_path / "poisoned"
    shutil.copytree(tiny_model_dir, base)
    weights = load_file(base / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 5] = float("nan")
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingDivergedError, match=r"at step 1 of 6: loss is nan; .* base model"):
        training(base=base)


def test_a_last_step_that_breaks_the_model_is_seen_by_its_validation(
    training: Any, settings: Any
) -> None:
    with pytest.raises(TrainingDivergedError, match=r"at step 1 of 1: eval_loss is .*; lower tra"):
        training(
            settings=settings(
                learning_rate=1e37, warmup_steps=0, effective_batch_size=32, num_train_epochs=1
            )
        )
