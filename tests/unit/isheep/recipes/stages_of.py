"""The stages that a recipe yields for a prepared run and given results."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import ChatFormatRef, Prepared
from isheep.recipes.interface import End, Recipe, Stage, Statistics

PREPARED = Prepared(
    model_digest="model",
    architecture="Llama",
    seed_tasks_digest="seeds",
    seed_tasks_count=60,
    templates_digest="templates",
    engine="VLLM",
    dtype="bfloat16",
    max_model_length=2048,
    chat_format=ChatFormatRef(kind="Own", digest="chat", end_of_turn_ids=(1,), stop_token_ids=(1,)),
)


def stages_of(
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    results: Mapping[str, Statistics],
    prepared: Prepared | None = PREPARED,
) -> tuple[dict[str, Stage], End]:
    """Return the stages by id, and how the recipe ended. `results` are the results by stage id."""
    stages: dict[str, Stage] = {}
    generator = recipe.stages(spec, prepared)
    try:
        stage = next(generator)
        while True:
            assert stage.id not in stages
            assert all(i in stages for ids in stage.inputs.values() for i in ids)
            stages[stage.id] = stage
            stage = generator.send(results.get(stage.id))
    except StopIteration as stop:
        return stages, stop.value
