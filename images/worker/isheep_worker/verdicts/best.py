"""The best model: the earliest one that is not significantly worse than the one with the best mean.

The model with the best mean is often the best by chance. Among models that cannot be distinguished
from it, the earliest one had the least training on its own texts. If M(0) is among them, the run
did not improve the model. This is the rule of one standard error (Breiman et al. 1984), with a
paired interval in place of the standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isheep.contract.choices import BestReason
from isheep_worker.statistics.comparison import Comparison
from isheep_worker.verdicts.interface import MeasuredModel, Metric, check_order


@dataclass(frozen=True, slots=True)
class BestModel:
    """The best model M(`iteration`), with its mean `value`.

    M(`leader`) has the best mean. `against_leader` compares the best model with it, and
    `against_base` compares M(0) with the best model. With too few items, the best model is the
    last one, because nothing distinguishes the models.
    """

    iteration: int
    value: float
    reason: BestReason
    leader: int
    against_leader: Comparison
    against_base: Comparison


def best_model(models: Sequence[MeasuredModel], metric: Metric, rng: Any) -> BestModel:
    """Return the best model.

    Args:
        models: M(0), M(1), … in order of t, with the same items.
        metric: How two models are compared.
        rng: A numpy Generator.

    Raises:
        ValueError: The models are not in order, or M(0) is missing.
    """
    check_order(models)
    sign = 1 if metric.higher_is_better else -1
    leader = max(models, key=lambda model: sign * float(model.values.mean()))
    found, against_leader = _earliest_equal(models, leader, metric, rng)
    reason: BestReason = "BaseIsBest" if found.iteration == 0 else "Improved"
    if against_leader.interval is None:
        found, reason = models[-1], "TooFewItems"
        against_leader = metric.comparison(found, leader, rng)
    return BestModel(
        iteration=found.iteration,
        value=float(found.values.mean()),
        reason=reason,
        leader=leader.iteration,
        against_leader=against_leader,
        against_base=metric.comparison(models[0], found, rng),
    )


def _earliest_equal(
    models: Sequence[MeasuredModel], leader: MeasuredModel, metric: Metric, rng: Any
) -> tuple[MeasuredModel, Comparison]:
    """Return the first model than which the leader is not significantly better."""
    for model in models:
        comparison = metric.comparison(model, leader, rng)
        if not metric.is_better(comparison):
            return model, comparison
    raise AssertionError("the leader is not better than itself")
