"""The Trainer's log becomes one row a step."""

from __future__ import annotations

import pytest

from isheep_worker.training.outcome import LogRow, log_rows, training_loss


def test_log_rows_contain_steps_only() -> None:
    step = {"step": 1, "loss": 2.0, "learning_rate": 0.1, "grad_norm": 1.0, "seconds": 3.0}
    (row,) = log_rows([step, {"step": 1, "eval_loss": 4.0}, {"step": 1, "train_runtime": 9.0}])
    assert (row.step, row.loss, row.seconds, row.eval_loss) == (1, 2.0, 3.0, 4.0)


def row(step: int, loss: float, eval_loss: float | None = None) -> LogRow:
    return LogRow(step, loss, 1e-5, 1.0, 1.0, eval_loss)


@pytest.mark.parametrize(("adapter_step", "loss"), [(2, 3.5), (4, 1.5), (5, 9.0)])
def test_the_training_loss_is_of_the_steps_since_the_previous_validation_loss(
    adapter_step: int, loss: float
) -> None:
    log = [row(1, 4.0), row(2, 3.0, 2.5), row(3, 2.0), row(4, 1.0, 2.0), row(5, 9.0, 3.0)]
    assert training_loss(log, adapter_step) == loss


def test_without_validation_the_training_loss_is_of_all_steps() -> None:
    assert training_loss([row(1, 4.0), row(2, 2.0)], 2) == 3.0
