"""Which worker process an order may go to.

A process that has loaded a model keeps it, and the next order for the same model
finds it loaded: a model load costs more than most stages of a small run. Training
gets a process that has loaded nothing (memory clean), and what has trained serves
no other model afterwards. Stages without a model go wherever a process lives.
"""

from __future__ import annotations

import json

from isheep.api.order import StageOrder, Step

TRAIN = "train"


def model_of(order: StageOrder) -> str | None:
    """Return a name for what the order makes its process load; None where it loads nothing.

    Orders with one name have the same engine, dtype, length and weights.
    """
    names = [name for step in order.steps if (name := _step_model(step)) is not None]
    return names[0] if names else None


def is_inference(order: StageOrder) -> bool:
    """Say whether the order keeps an engine busy; others leave time to start a process."""
    return any("model" in step.settings for step in order.steps)


def serves(loaded: str | None, wanted: str | None) -> bool:
    """Say whether a process that has loaded `loaded` may be given an order that wants `wanted`."""
    return wanted is None or loaded is None or loaded == wanted


def _step_model(step: Step) -> str | None:
    if step.kind == TRAIN:
        return f"{TRAIN} {step.key}"
    settings = step.settings.get("model")
    if settings is None:
        return None
    return json.dumps([settings, step.inputs.get("model", ())], sort_keys=True)
