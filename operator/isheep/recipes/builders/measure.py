"""measure: M(t-1) measures the likelihood and the embedding of each pair (Table 3)."""

from __future__ import annotations

from typing import Literal

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.selection import PerplexitySelection
from isheep.recipes import settings as s
from isheep.recipes.builders.context import (
    RunContext,
    kept_if_cut,
    kept_thoughts,
    response_format,
    with_model,
)
from isheep.recipes.interface import Stage
from isheep.recipes.selection_methods import judging_method
from isheep.recipes.stage_kinds import StageKind


def measure(run: RunContext, t: int, pairs: str, items: int) -> Stage:
    """Return the stage that measures pairs, part by part.

    `pairs` is the id of the stage whose output are the pairs, and `items` is its number of items.
    One item can have several pairs, or none.
    """
    model = run.writing_model(t)
    return Stage(
        f"i{t}/measure",
        StageKind.MEASURE,
        t,
        s.MeasureSettings(
            model=run.model_settings(model, run.response_chat_format),
            prompt_format=response_format(run.spec.responses.prompt_format, run.writer_of(t)),
            given=_given(run.spec),
            vectors=judging_method(run.spec).vectors,
            language=run.spec.language,
            rules=run.spec.curation.rules,
            cut=kept_if_cut(run.spec),
            thinking=kept_thoughts(run.spec),
            templates=run.prepared.templates_digest,
        ),
        inputs=with_model(model, pairs=(pairs,)),
        items=items,
        model=model,
    )


def _given(spec: SelfAlignmentRunSpec) -> Literal["Nothing"] | None:
    method = judging_method(spec)
    perplexity = spec.selection.perplexity or PerplexitySelection()
    # Only Perplexity compares perplexities with a limit; the other methods compare pairs.
    return "Nothing" if not method.vectors and perplexity.given == "Nothing" else None
