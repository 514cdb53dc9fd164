"""classify: M(t-1) decides which instructions are classification tasks (Self-Instruct).

The decision determines the order in which instances are written. If the model writes the input of
a classification task first, it writes inputs of one class only.
"""

from __future__ import annotations

from isheep.recipes import settings as s
from isheep.recipes.builders.context import RunContext, with_model
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind

ANSWER = s.Sampling(temperature=0.0, top_p=1.0, max_tokens=4)
"""The most likely answer, yes or no: greedy decoding, and enough tokens for one word."""


def classify(run: RunContext, t: int, instructions: str, accepted: int) -> Stage:
    """Return the stage that classifies the `accepted` instructions of a curate stage."""
    model = run.writing_model(t)
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
