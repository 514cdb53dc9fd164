"""The stages that a run will have, predicted before any of them runs.

A recipe yields its next stage after it gets the result of the last one. Some checks must see all
stages before the run starts, such as the check of the longest prompts. They do not need to know how
many rounds there will be. So this module sends the recipe the best possible results: the first
round collects all items, and enough pairs are kept. The stages then contain every kind of prompt
that the run will use.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared
from isheep.recipes.evaluation_settings import VerdictSettings
from isheep.recipes.interface import Recipe, Stage, Statistics
from isheep.recipes.pinned_spec import decided_writers
from isheep.recipes.settings import CollectingSettings, SelectSettings


def predicted_stages(
    recipe: Recipe, spec: SelfAlignmentRunSpec, prepared: Prepared
) -> Iterator[Stage]:
    """Yield the stages of all iterations, with one round for each collection of items."""
    generator = recipe.stages(spec, prepared)
    try:
        stage = next(generator)
        while True:
            yield stage
            stage = generator.send(best_result(stage, spec))
    except StopIteration:
        return


def best_result(stage: Stage, spec: SelfAlignmentRunSpec) -> Statistics:
    """Return the result with which the run continues after this stage, without another round."""
    if isinstance(stage.settings, CollectingSettings):
        return {"accepted": stage.settings.count}
    if isinstance(stage.settings, SelectSettings):
        return {"kept": spec.selection.min_samples}
    return {}


def decides_what_follows(stage: Stage, spec: SelfAlignmentRunSpec) -> bool:
    """Return whether the recipe needs the result of this stage to yield the next one.

    The verdict on M(t) decides nothing any more if iteration t + 1 has begun.
    """
    if isinstance(stage.settings, VerdictSettings):
        t = len(stage.settings.data_formats)
        return stage.settings.decides and t >= len(decided_writers(spec))
    return isinstance(stage.settings, CollectingSettings | SelectSettings)
