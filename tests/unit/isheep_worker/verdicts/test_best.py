"""The best model is the earliest one that is not significantly worse than the leader."""

import numpy as np
import pytest

from isheep_worker.verdicts.best import best_model
from isheep_worker.verdicts.interface import MeasuredModel, Metric

DRAW = np.random.default_rng(0)
EASE = DRAW.normal(0, 1, 60)
NOISE = DRAW.normal(0, 0.27, (9, 60))


def models(*means: float, items: int = 60) -> list[MeasuredModel]:
    return [
        MeasuredModel(t, (mean + EASE + NOISE[t] - NOISE[t].mean())[:items])
        for t, mean in enumerate(means)
    ]


@pytest.mark.parametrize(
    ("means", "best", "reason", "leader"),
    [
        ([1.0, 2.0, 3.0], 2, "Improved", 2),
        # M(3) leads by chance: M(1) is not significantly worse.
        ([1.0, 3.0, 3.0, 3.01], 1, "Improved", 3),
        ([1.0, 3.0, 2.0], 1, "Improved", 1),
        ([3.0, 2.0, 1.0], 0, "BaseIsBest", 0),
        ([3.0, 2.0, 3.01], 0, "BaseIsBest", 2),
        ([3.0], 0, "BaseIsBest", 0),
    ],
)
def test_the_best_model(means: list[float], best: int, reason: str, leader: int) -> None:
    found = best_model(models(*means), Metric(), np.random.default_rng(1))
    assert (found.iteration, found.reason, found.leader) == (best, reason, leader)
    assert found.value == pytest.approx(models(*means)[best].values.mean())
    assert found.against_leader.change != "Higher"
    assert found.against_base.difference == pytest.approx(means[best] - means[0])


def test_a_loss_is_better_if_it_is_lower() -> None:
    lower = Metric(higher_is_better=False)
    found = best_model(models(3.0, 1.0, 2.0), lower, np.random.default_rng(1))
    assert (found.iteration, found.reason) == (1, "Improved")


def test_items_of_one_cluster_count_once() -> None:
    clusters = [place // 6 for place in range(60)]
    found = best_model(models(1.0, 9.0), Metric(clusters), np.random.default_rng(1))
    assert (found.iteration, found.reason) == (1, "TooFewItems")


def test_too_few_items_leave_the_last_model() -> None:
    found = best_model(models(1.0, 9.0, 2.0, items=8), Metric(), np.random.default_rng(1))
    assert (found.iteration, found.reason, found.leader) == (2, "TooFewItems", 1)
    assert found.against_base.verdict == "too few items (8)"


@pytest.mark.parametrize("iterations", [[], [1, 2], [0, 2, 1], [0, 0]])
def test_models_out_of_order_are_refused(iterations: list[int]) -> None:
    given = [MeasuredModel(t, EASE) for t in iterations]
    with pytest.raises(ValueError, match="with M\\(0\\) as the first"):
        best_model(given, Metric(), np.random.default_rng(1))
