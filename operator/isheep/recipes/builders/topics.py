"""topics: the completions of a round become topics for red-teaming (SELF-ALIGN, step 1)."""

from __future__ import annotations

from isheep.recipes import settings as s
from isheep.recipes.builders.context import Inputs, RunContext
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind


def topics(run: RunContext, t: int, number: int, *, previous: str | None, count: int) -> Stage:
    """Return the stage that collects topics from the completions of round `number`.

    `previous` is the topics stage of the previous round. The rounds end when there are `count`
    topics.
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
