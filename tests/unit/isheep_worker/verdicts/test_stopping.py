"""A run stops after iterations without an improvement beyond the paired interval."""

import numpy as np
import pytest

from isheep_worker.verdicts.interface import MeasuredModel, Metric
from isheep_worker.verdicts.stopping import Stopping, stopping

DRAW = np.random.default_rng(0)
EASE = DRAW.normal(0, 1, 60)
NOISE = DRAW.normal(0, 0.27, (9, 60))


def decided(means: list[float], patience: int, metric: Metric = Metric(), items: int = 60):  # noqa: B008
    models = [
        MeasuredModel(t, (mean + EASE + NOISE[t] - NOISE[t].mean())[:items])
        for t, mean in enumerate(means)
    ]
    return stopping(models, patience, metric, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("means", "patience", "expected"),
    [
        ([1.0], 1, Stopping(False, 0, 0)),
        ([1.0, 2.0, 3.0], 1, Stopping(False, 2, 0)),
        ([1.0, 2.0, 2.0], 1, Stopping(True, 1, 1)),
        ([1.0, 2.0, 2.0], 2, Stopping(False, 1, 1)),
        ([1.0, 2.0, 2.0, 1.5], 2, Stopping(True, 1, 2)),
        ([1.0, 2.0, 2.0, 3.0], 2, Stopping(False, 3, 0)),
        # A difference inside the interval is no improvement; several together are one.
        ([1.0, 1.02, 1.04], 2, Stopping(True, 0, 2)),
        ([1.0, 1.06, 1.12, 1.18, 1.24], 3, Stopping(False, 4, 0)),
        # A rule that a user adds later decides by the newest models.
        ([2.0, 1.0, 1.0, 9.0], 2, Stopping(False, 3, 0)),
        ([2.0, 1.0, 1.0, 1.0], 2, Stopping(True, 0, 3)),
    ],
)
def test_decisions(means: list[float], patience: int, expected: Stopping) -> None:
    assert decided(means, patience) == expected


def test_a_loss_is_better_if_it_is_lower() -> None:
    lower = Metric(higher_is_better=False)
    assert decided([2.0, 1.0, 0.5], 1, lower) == Stopping(False, 2, 0)
    assert decided([1.0, 2.0], 1, lower) == Stopping(True, 0, 1)


def test_too_few_items_never_stop_a_run() -> None:
    assert decided([2.0, 1.0, 1.0], 1, items=8) == Stopping(False, 0, 0, enough_items=False)


def test_a_patience_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="patience is 0"):
        decided([1.0, 2.0], 0)
