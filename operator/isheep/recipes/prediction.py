"""Foresight: the stages of a run in which everything goes well.

A recipe names its next stage once it knows what the last one left. Whoever has to know
beforehand what a run will ask, and not how often, gives it the best results there are:
all that is wanted accepted in the first round, enough kept. Every way in which the run
asks is then among the stages, whatever recipe it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared
from isheep.recipes import settings as s
from isheep.recipes.interface import Recipe, Stage, Statistics


def predicted_stages(
    recipe: Recipe, spec: SelfAlignmentRunSpec, prepared: Prepared
) -> Iterator[Stage]:
    """Yield the stages of all iterations, each with one round wherever rounds are asked for."""
    generator = recipe.stages(spec, prepared)
    try:
        stage = next(generator)
        while True:
            yield stage
            stage = generator.send(_best_result(stage, spec))
    except StopIteration:
        return


def _best_result(stage: Stage, spec: SelfAlignmentRunSpec) -> Statistics:
    if isinstance(stage.settings, (s.CurateSettings, s.TopicsSettings)):
        return {"accepted": stage.settings.count}
    if isinstance(stage.settings, s.SelectSettings):
        return {"kept": spec.selection.min_samples}
    return {}
