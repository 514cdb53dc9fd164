"""The forecast: all stages of a run to its end, for a person who reads the plan before it runs.

The walk ends at the first stage whose result decides what follows. The forecast continues from
there with the best possible result (`recipes.prediction`), and marks every later stage as
predicted. A predicted stage can get more rounds, but never fewer stages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import ChatFormatRef, Prepared
from isheep.planner.expected_prepare import is_unknown
from isheep.planner.keys import stage_key
from isheep.planner.walk import Lookup
from isheep.recipes.interface import End, Recipe, Stage, Statistics
from isheep.recipes.older_stages import of_version
from isheep.recipes.prediction import best_result, decides_what_follows
from isheep.recipes.settings import CollectingSettings, GenerateSettings, TrainSettings
from isheep.recipes.stage_kinds import StageKind

_NOT_PREPARED = Prepared(
    model_digest="",
    architecture="",
    seed_tasks_digest="",
    seed_tasks_count=0,
    templates_digest="",
    engine="VLLM",
    dtype="float32",
    max_model_length=0,
    chat_format=ChatFormatRef(kind="Own", digest="", end_of_turn_ids=(), stop_token_ids=()),
)
"""Stands for the result of prepare before there is one. The keys that follow it are not shown."""


@dataclass(frozen=True, slots=True)
class ForecastStage:
    """A stage of a forecast.

    `key` is None if it depends on a result that is missing. `result` has the statistics of a
    committed stage. `predicted` is true if a missing result can change the stage or its key. A
    stage on a benchmark that is not prepared yet has no number of items.
    """

    stage: Stage
    key: str | None
    result: Statistics | None
    predicted: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """The stages of a run in their order, and how the recipe ended."""

    stages: tuple[ForecastStage, ...]
    end: End


@dataclass(frozen=True, slots=True)
class Work:
    """What the stages of a forecast that do not exist will do.

    `optimizer_steps` is the largest possible number, or None if it has no bound.
    """

    completions: int
    optimizer_steps: int | None


def forecast(
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    prepared: Prepared | None,
    versions: Mapping[str, int],
    lookup: Lookup,
    *,
    prepare_committed: bool,
) -> Forecast:
    """Return all stages of a run, with the results that exist.

    Args:
        recipe: The recipe of the run.
        spec: The resolved spec.
        prepared: The result of prepare, or the result that is expected of it; None if no result
            can be expected.
        versions: The version of each stage kind.
        lookup: The statistics of a committed stage; it is not asked for prepare.
        prepare_committed: Whether `prepared` is the result of this run's own prepare.
    """
    stages: list[ForecastStage] = []
    keys: dict[str, str] = {}
    unknown: set[str] = set()
    predicted, key_known = False, True
    generator = recipe.stages(spec, prepared or _NOT_PREPARED)
    try:
        stage = next(generator)
        while True:
            stage = of_version(stage, versions[str(stage.kind)])
            inputs = {role: [keys[i] for i in ids] for role, ids in stage.inputs.items()}
            keys[stage.id] = stage_key(stage, versions[str(stage.kind)], inputs)
            is_prepare = stage.kind is StageKind.PREPARE
            if is_unknown(stage.settings) or not unknown.isdisjoint(chain(*stage.inputs.values())):
                unknown.add(stage.id)
            known = key_known and stage.id not in unknown
            if is_prepare:
                found: Statistics | None = {} if prepare_committed else None
            else:
                found = lookup(stage, keys[stage.id]) if known else None
            key = keys[stage.id] if known else None
            shown = replace(stage, items=stage.items or None)
            stages.append(ForecastStage(shown, key, found, predicted or not known))
            if found is None and is_prepare:
                predicted, key_known = True, prepared is not None
            elif found is None and decides_what_follows(stage, spec):
                predicted, key_known = True, False
            stage = generator.send(best_result(stage, spec) if found is None else found)
    except StopIteration as stop:
        return Forecast(tuple(stages), stop.value)


def work(stages: Sequence[ForecastStage]) -> Work:
    """Return the work of the stages that do not exist."""
    by_id = {one.stage.id: one for one in stages}
    left = [one.stage.settings for one in stages if one.result is None]
    steps = [
        most_steps(one.stage, one.stage.settings, by_id)
        for one in stages
        if one.result is None and isinstance(one.stage.settings, TrainSettings)
    ]
    known = [number for number in steps if number is not None]
    return Work(
        sum(settings.completions for settings in left if isinstance(settings, GenerateSettings)),
        sum(known) if len(known) == len(steps) else None,
    )


def most_steps(
    stage: Stage, settings: TrainSettings, stages: Mapping[str, ForecastStage]
) -> int | None:
    """Return the largest number of steps of a training; None if it has no bound.

    Appendix E: 3,000 pairs, of which a tenth is held out, take 338 steps.
    """
    samples = 0
    for select in stage.inputs["data"]:
        kept = _most_kept(stages[select], stages)
        bounds = [n for n in (kept, settings.max_samples) if n is not None]
        if not bounds:
            return None
        samples += min(bounds)
    trained = samples - math.floor(samples * settings.validation_share)
    return math.ceil(settings.num_train_epochs * -(-trained // settings.effective_batch_size))


def _most_kept(select: ForecastStage, stages: Mapping[str, ForecastStage]) -> int | None:
    """Return the pairs in D(t), or the pairs to choose from; None if their number is unknown."""
    if select.result is not None:
        return int(select.result["kept"])
    (pairs,) = (stages[id_].stage for id_ in select.stage.inputs["pairs"])
    if isinstance(pairs.settings, CollectingSettings):
        return pairs.settings.count
    # An instruction can have several instances.
    return None if pairs.kind is StageKind.INSTANTIATE else pairs.items
