"""topics: a round's completions become topics for red-teaming (SELF-ALIGN, step 1)."""

from __future__ import annotations

from isheep.recipes import settings as s
from isheep.recipes.builders.context import Inputs, RunContext
from isheep.recipes.interface import Stage, StageKind


def topics(run: RunContext, t: int, number: int, *, previous: str | None, count: int) -> Stage:
    """Return the stage that follows round `number`'s completions, until there are `count`.

    `previous` is the round before's.
    """
    inputs: Inputs = {"completions": (f"i{t}/generate/r{number}",)}
    if previous is not None:
        inputs["accepted"] = (previous,)
    return Stage(
        f"i{t}/topics/r{number}",
        StageKind.TOPICS,
        t,
        s.TopicsSettings(
            count=count,
            examples_per_prompt=run.spec.instructions.examples_per_prompt,
            drop_last=run.spec.curation.drop_last,
            templates=run.prepared.templates_digest,
        ),
        round=number,
        inputs=inputs,
    )
