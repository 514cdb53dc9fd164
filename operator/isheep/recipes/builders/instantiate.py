"""instantiate: M(t-1) writes instances of each instruction, which are pairs (Self-Instruct).

The items of the stage are instructions. A part holds the pairs of 64 instructions.
"""

from __future__ import annotations

from isheep.recipes import settings as s
from isheep.recipes.builders.context import RunContext, sampling, with_model
from isheep.recipes.defaults import self_instruct
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind


def instantiate(run: RunContext, t: int, instructions: str, accepted: int) -> Stage:
    """Return the stage that writes instances of the `accepted` instructions of a curate stage."""
    spec = self_instruct(run.spec)
    model = run.writing_model(t)
    return Stage(
        f"i{t}/instantiate",
        StageKind.INSTANTIATE,
        t,
        s.InstantiateSettings(
            model=run.model_settings(model),
            random_seed=run.spec.random_seed,
            max_instances=spec.max_instances,
            sampling=sampling(spec.instance_sampling),
            language=run.spec.language,
            rules=run.spec.curation.rules,
            templates=run.prepared.templates_digest,
        ),
        inputs=with_model(model, instructions=(instructions,), classified=(f"i{t}/classify",)),
        items=accepted,
        model=model,
    )
