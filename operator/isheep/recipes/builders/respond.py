"""respond: M(t-1) answers the accepted instructions (§3.1)."""

from __future__ import annotations

from isheep.contract.choices import ResponseStyle
from isheep.recipes import settings as s
from isheep.recipes.builders.context import (
    RunContext,
    kept_thoughts,
    response_format,
    sampling,
    with_model,
)
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind


def respond(
    run: RunContext,
    t: int,
    instructions: str,
    accepted: int,
    *,
    asking: ResponseStyle | None = None,
    exemplars: int | None = None,
    drawn: bool = False,
) -> Stage:
    """Return the stage that answers `accepted` instructions of a curate stage.

    `asking` is the style of the prompt, None for zero-shot, and `exemplars` is the number of
    exemplars with the style Principles. If `drawn` is true, the instructions are a random sample,
    in the order of the sample; otherwise they are the first ones.
    """
    spec = run.spec.responses
    model = run.writing_model(t)
    return Stage(
        f"i{t}/respond",
        StageKind.RESPOND,
        t,
        s.RespondSettings(
            model=run.model_settings(model, run.response_chat_format),
            random_seed=run.spec.random_seed,
            prompt_format="Raw"
            if asking == "Principles"
            else response_format(spec.prompt_format, run.writer_of(t)),
            sampling=sampling(spec.sampling),
            templates=run.prepared.templates_digest,
            asking=asking,
            exemplars=exemplars,
            drawn=drawn or None,
            thinking=kept_thoughts(run.spec),
        ),
        inputs=with_model(model, instructions=(instructions,)),
        items=accepted,
        model=model,
    )
