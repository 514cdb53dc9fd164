"""The walk: every stage of a recipe that is known so far, with its key.

A recipe yields its stages one after another, and results decide which stage comes next. The walk
computes the key of each stage, looks up the result of that key and sends it to the recipe. So a
result is used only for the key that made it: after an edit of the spec, the walk uses the old
results up to the first stage with a new key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared
from isheep.contract.stage_ids import iteration_of
from isheep.planner.keys import stage_key
from isheep.recipes.interface import JUDGE_MODEL, End, Recipe, Stage, Statistics
from isheep.recipes.older_stages import of_version
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS

Lookup = Callable[[Stage, str], Statistics | None]
"""Returns the statistics of a stage with this key, or None if it is not committed."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The stages in their order, the keys and the results found, by stage id."""

    stages: tuple[Stage, ...]
    keys: Mapping[str, str]
    results: Mapping[str, Statistics]
    end: End


def walk(
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    prepared: Prepared | None,
    versions: Mapping[str, int],
    lookup: Lookup,
) -> Walk:
    """Walk until the recipe has yielded all stages, or needs a result that is missing."""
    stages: list[Stage] = []
    keys: dict[str, str] = {}
    results: dict[str, Statistics] = {}
    generator = recipe.stages(spec, prepared)
    try:
        stage = next(generator)
        while True:
            stage = of_version(stage, versions[str(stage.kind)])
            inputs = {role: [keys[i] for i in ids] for role, ids in stage.inputs.items()}
            keys[stage.id] = stage_key(stage, versions[str(stage.kind)], inputs)
            stages.append(stage)
            found = lookup(stage, keys[stage.id])
            if found is not None:
                results[stage.id] = found
            stage = generator.send(found)
    except StopIteration as stop:
        return Walk(tuple(stages), keys, results, stop.value)


def writers_of(walked: Walk) -> tuple[int, ...]:
    """Return, for each iteration of a walk, the t of the model that writes it."""
    writers: dict[int, int] = {}
    for stage in walked.stages:
        own = stage.model not in (None, JUDGE_MODEL)
        if own and not STAGE_DEFINITIONS[stage.kind].optional:
            writer = iteration_of(stage.model) if stage.model else 0
            writers.setdefault(stage.iteration, writer)
    return tuple(writer for _, writer in sorted(writers.items()))


def prepare_key(recipe: Recipe, spec: SelfAlignmentRunSpec, versions: Mapping[str, int]) -> str:
    """Return the key of prepare, which does not depend on any result."""
    return walk(recipe, spec, None, versions, lambda _stage, _key: None).keys["prepare"]
