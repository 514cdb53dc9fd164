"""Which worker process can execute an order.

A process keeps the model that it has loaded, so the next order for the same model needs no load. A
model load takes longer than most stages of a small run. A base model that was loaded with memory
for an adapter can serve without an adapter and with any one. A training needs a process that has
loaded no model, and a process that has trained serves no other model. Any process can execute a
stage without a model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from isheep.contract.order import StageOrder, Step
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind

TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Model:
    """The model that a process loads for an order.

    Orders with the same model name have the same engine, dtype, length and weights. `adapters` is
    True if the engine is loaded with support for adapters.
    """

    name: str
    adapters: bool = False


def model_of(order: StageOrder) -> Model | None:
    """Return the model that an order's process loads, or None if the order needs no model."""
    models = [model for step in order.steps if (model := _step_model(step)) is not None]
    if not models:
        return None
    reserves = order.runtime.adapter_rank is not None and not trains(order)
    return replace(models[0], adapters=models[0].adapters or reserves)


def is_inference(order: StageOrder) -> bool:
    """Return True if the order uses an engine. Other orders leave time to start a process."""
    return any("model" in step.settings for step in order.steps)


def trains(order: StageOrder) -> bool:
    """Return True if the order trains a model."""
    return any(step.kind == TRAIN for step in order.steps)


def load_may_follow(order: StageOrder, iterations: int) -> bool:
    """Return True if a run of `iterations` iterations may load a model after the order."""
    step = order.steps[-1]
    definition = STAGE_DEFINITIONS[StageKind(step.kind)]
    return step.iteration != iterations or not definition.after_inference


def serves(loaded: Model | None, wanted: Model | None) -> bool:
    """Return True if a process with the model `loaded` can execute an order for `wanted`."""
    if wanted is None or loaded is None:
        return True
    return loaded.name == wanted.name and (loaded.adapters or not wanted.adapters)


def loaded_after(loaded: Model | None, wanted: Model | None) -> Model | None:
    """Return the model of a process after an order for `wanted`, if it had `loaded` before."""
    if wanted is None:
        return loaded
    return loaded if loaded is not None and serves(loaded, wanted) else wanted


def _step_model(step: Step) -> Model | None:
    if step.kind == TRAIN:
        return Model(f"{TRAIN} {step.key}")
    settings = step.settings.get("model")
    if settings is None:
        return None
    adapters = settings.get("handover") == "Adapter"
    base = {name: value for name, value in settings.items() if name != "handover"}
    # The engine changes the adapter without a load of the base weights.
    weights = () if adapters else step.inputs.get("model", ())
    return Model(json.dumps([base, weights], sort_keys=True), adapters)
