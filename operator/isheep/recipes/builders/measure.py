"""measure: how likely M(t-1) finds each pair, and where it lies among the others (Table 3)."""

from __future__ import annotations

from isheep.recipes import settings as s
from isheep.recipes.builders.context import RunContext, response_format, with_model
from isheep.recipes.builders.select import wants_vectors
from isheep.recipes.interface import Stage, StageKind


def measure(run: RunContext, t: int, pairs: str, items: int) -> Stage:
    """Return the stage that measures the pairs that another one leaves, part by part.

    `items` are that stage's; it may have left more than one pair, or none, for each.
    M(t-1) reads each response after the prompt that asks for it zero-shot.
    """
    model = run.model_of(t - 1)
    return Stage(
        f"i{t}/measure",
        StageKind.MEASURE,
        t,
        s.MeasureSettings(
            model=run.model_settings(model),
            prompt_format=response_format(run.spec.responses.prompt_format, t),
            vectors=wants_vectors(run.spec),
            language=run.spec.language,
            rules=run.spec.curation.rules,
            templates=run.prepared.templates_digest,
        ),
        inputs=with_model(model, pairs=(pairs,)),
        items=items,
        model=model,
    )
