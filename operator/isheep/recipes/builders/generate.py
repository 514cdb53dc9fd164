"""generate: M(t-1) completes the instruction prompt, in rounds (§3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from isheep.contract.choices import TaskListStyle
from isheep.recipes import settings as s
from isheep.recipes.builders.context import Inputs, RunContext, sampling, with_model
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind


def generate(
    run: RunContext,
    t: int,
    number: int,
    completions: int,
    *,
    task_list: TaskListStyle | None = None,
    machine_examples: int | None = None,
    pool: Sequence[str] = (),
    topics: str | None = None,
) -> Stage:
    """Return the stage of round `number` in iteration t, with this many completions.

    `task_list` is the style of the task list, None for I-SHEEP's. `machine_examples` of the
    examples in a prompt come from the instructions of the curate stages in `pool`. `topics` is the
    stage with the topics, if the instructions are topic-guided.
    """
    spec = run.spec.instructions
    model = run.writing_model(t)
    inputs: Inputs = {}
    if machine_examples and pool:
        inputs["pool"] = tuple(pool)
    if topics is not None:
        inputs["topics"] = (topics,)
    return Stage(
        f"i{t}/generate/r{number}",
        StageKind.GENERATE,
        t,
        s.GenerateSettings(
            model=run.model_settings(model),
            random_seed=run.spec.random_seed,
            completions=completions,
            examples_per_prompt=spec.examples_per_prompt,
            sampling=sampling(spec.sampling),
            language=run.spec.language,
            seed_tasks=run.prepared.seed_tasks_digest,
            templates=run.prepared.templates_digest,
            task_list=task_list,
            machine_examples=machine_examples,
        ),
        round=number,
        inputs=with_model(model, **inputs),
        items=completions,
        model=model,
    )
