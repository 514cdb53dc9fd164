"""classify: M(t-1) says of each instruction whether it asks for a classification (Self-Instruct).

It decides in which order instances are written. A classification whose input is
written first gets inputs of one class only.
"""

from __future__ import annotations

from isheep.recipes import settings as s
from isheep.recipes.builders.context import RunContext, with_model
from isheep.recipes.interface import Stage, StageKind

ANSWER = s.Sampling(temperature=0.0, top_p=1.0, max_tokens=4)
"""The likeliest word, yes or no: no draw, and nothing after it."""


def classify(run: RunContext, t: int, instructions: str, accepted: int) -> Stage:
    """Return the stage that asks about the `accepted` instructions of a curate stage."""
    model = run.model_of(t - 1)
    return Stage(
        f"i{t}/classify",
        StageKind.CLASSIFY,
        t,
        s.ClassifySettings(
            model=run.model_settings(model),
            random_seed=run.spec.random_seed,
            sampling=ANSWER,
            templates=run.prepared.templates_digest,
        ),
        inputs=with_model(model, instructions=(instructions,)),
        items=accepted,
        model=model,
    )
