"""Which worker process an order may go to.

A process that has loaded a model keeps it, and the next order for the same model
finds it loaded: a model load costs more than most stages of a small run. A base that
was loaded for an adapter serves without it and with another, too. Training
gets a process that has loaded nothing (memory clean), and what has trained serves
no other model afterwards. Stages without a model go wherever a process lives.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from isheep.contract.order import StageOrder, Step

TRAIN = "train"
FROM_TRAINING_ON = (TRAIN, "merge", "report")
"""The kinds of stages after which an iteration loads no model any more."""


@dataclass(frozen=True, slots=True)
class Model:
    """What an order makes its process load.

    Orders whose models have one name have the same engine, dtype, length and weights.
    `adapters` tells that there is an adapter beside the weights, and so room for others.
    """

    name: str
    adapters: bool = False


def model_of(order: StageOrder) -> Model | None:
    """Return what the order makes its process load; None where it loads nothing."""
    models = [model for step in order.steps if (model := _step_model(step)) is not None]
    return models[0] if models else None


def is_inference(order: StageOrder) -> bool:
    """Say whether the order keeps an engine busy; others leave time to start a process."""
    return any("model" in step.settings for step in order.steps)


def loads_follow(order: StageOrder, iterations: int) -> bool:
    """Say whether a model may have to be loaded after the order, in a run of so many iterations."""
    step = order.steps[-1]
    return step.iteration != iterations or step.kind not in FROM_TRAINING_ON


def serves(loaded: Model | None, wanted: Model | None) -> bool:
    """Say whether a process that has loaded `loaded` may be given an order that wants `wanted`."""
    if wanted is None or loaded is None:
        return True
    return loaded.name == wanted.name and (loaded.adapters or not wanted.adapters)


def after(loaded: Model | None, given: Model | None) -> Model | None:
    """Return what a process that had loaded `loaded` has loaded after an order for `given`."""
    if given is None:
        return loaded
    return loaded if loaded is not None and serves(loaded, given) else given


def _step_model(step: Step) -> Model | None:
    if step.kind == TRAIN:
        return Model(f"{TRAIN} {step.key}")
    settings = step.settings.get("model")
    if settings is None:
        return None
    adapters = settings.get("handover") == "Adapter"
    base = {name: value for name, value in settings.items() if name != "handover"}
    # The weights are the base's; which adapter goes with them is changed without loading them.
    weights = () if adapters else step.inputs.get("model", ())
    return Model(json.dumps([base, weights], sort_keys=True), adapters)
