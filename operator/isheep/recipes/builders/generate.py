"""generate: one round of completions of the instruction prompt, from M(t-1) (§3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from isheep.recipes import settings as s
from isheep.recipes.builders.context import Inputs, RunContext, sampling, with_model
from isheep.recipes.interface import Stage, StageKind


def generate(
    run: RunContext,
    t: int,
    number: int,
    completions: int,
    *,
    task_list: s.TaskListStyle | None = None,
    machine_examples: int | None = None,
    pool: Sequence[str] = (),
    topics: str | None = None,
) -> Stage:
    """Return round `number` of iteration t, of so many completions.

    `task_list` is how what is listed is asked for, None as I-SHEEP does; `pool` are the
    curate stages from whose instructions `machine_examples` of a prompt's exemplars
    come; `topics` is the stage that left the topics of those that are about one.
    """
    spec = run.spec.instructions
    model = run.model_of(t - 1)
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
