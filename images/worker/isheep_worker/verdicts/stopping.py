"""The stopping rule: a run stops after some iterations without a significant improvement.

An iteration is an improvement only if its model is better than the last improved model by more than
the paired interval. Small steps count too: the reference stays until a model is better than it, so
several small steps together are an improvement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isheep_worker.verdicts.interface import MeasuredModel, Metric, check_order


@dataclass(frozen=True, slots=True)
class Stopping:
    """Whether the run stops, the last improved model, and the iterations since then.

    `enough_items` is False if the metric has too few items for an interval; the run never stops
    then.
    """

    stop: bool
    improved: int
    waited: int
    enough_items: bool = True


def stopping(models: Sequence[MeasuredModel], patience: int, metric: Metric, rng: Any) -> Stopping:
    """Decide whether a run stops after its last model.

    Args:
        models: M(0), M(1), … in order of t, with the same items.
        patience: The number of consecutive iterations without an improvement that end the run.
        metric: How two models are compared.
        rng: A numpy Generator.

    Raises:
        ValueError: The patience is below 1, or the models are not in order.
    """
    check_order(models)
    if patience < 1:
        raise ValueError(f"patience is {patience}; it must be at least 1")
    reference, waited = models[0], 0
    for model in models[1:]:
        comparison = metric.comparison(reference, model, rng)
        if comparison.interval is None:
            return Stopping(stop=False, improved=0, waited=0, enough_items=False)
        if metric.is_better(comparison):
            reference, waited = model, 0
        else:
            waited += 1
    return Stopping(waited >= patience, reference.iteration, waited)
