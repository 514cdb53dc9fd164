"""The Trainer's log becomes one row a step."""

from __future__ import annotations

from isheep_worker.training.outcome import log_rows


def test_log_rows_contain_steps_only() -> None:
    step = {"step": 1, "loss": 2.0, "learning_rate": 0.1, "grad_norm": 1.0, "seconds": 3.0}
    (row,) = log_rows([step, {"step": 1, "eval_loss": 4.0}, {"step": 1, "train_runtime": 9.0}])
    assert (row.step, row.loss, row.seconds, row.eval_loss) == (1, 2.0, 3.0, 4.0)
