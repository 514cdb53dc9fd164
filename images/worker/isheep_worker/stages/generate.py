"""generate: M(t-1) completes the instruction prompt; one stage is one round of completions (§3.1).

The prompt of each completion shows examples and asks the model to continue the list. The examples
are drawn uniformly and without repetition, for each completion separately, from the seed tasks or
from the examples of the task list's style. The prompt is raw text in every iteration, as in the
released scripts, because tuned models continue it too. If the recipe shows machine-made tasks, they
are drawn from the pool as the previous round committed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from isheep.recipes.settings import GenerateSettings
from isheep_worker.engines.interface import Request
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import (
    Inference,
    commit_inference,
    fill_own_parts,
    token_statistics,
)
from isheep_worker.execution.parts import FilledPart, PartProgram, part_items
from isheep_worker.inputs.seed_tasks import read_seed_tasks
from isheep_worker.rows.item_seeds import exemplar_random, item_seed
from isheep_worker.rows.schema import COMPLETIONS, INSTRUCTIONS, TOPICS, CompletionRow
from isheep_worker.task_lists.interface import DrawnPrompt, Material
from isheep_worker.task_lists.registry import task_list
from isheep_worker.templates.longest_prompts import Known, LongestPrompt


def run(context: StageContext[GenerateSettings]) -> StageOutcome:
    """Generate this worker's parts of the round, and commit the stage if all its parts exist."""
    settings = context.settings
    inference = Inference(context, settings.model, settings.templates)
    material = Material(
        library=inference.library,
        seed_tasks=read_seed_tasks(context.inputs.get(settings.seed_tasks), "the run's seed tasks"),
        topics=[row.topic for row in context.rows_of_all("topics", TOPICS)],
        examples=settings.examples_per_prompt,
        language=settings.language,
        machine_made=list(context.rows_of_all("pool", INSTRUCTIONS)),
        machine_examples=settings.machine_examples or 0,
    )

    def program(part: int) -> PartProgram:
        return _part(context, inference, material, part)

    fill_own_parts(context, settings.completions, inference, program)
    return commit_inference(context, settings.completions, inference)


def longest_prompts(settings: GenerateSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the longest prompt that seed tasks, or the examples of the style's templates, make."""
    style = task_list(settings.task_list)
    material = Material(
        library=known.library,
        seed_tasks=known.seed_tasks,
        topics=(),
        examples=settings.examples_per_prompt,
        language=settings.language,
    )
    yield LongestPrompt(
        style.template,
        style.longest_prompt(material, known.length),
        settings.sampling.max_tokens,
        field=known.instructions_field,
    )


def _part(
    context: StageContext[GenerateSettings],
    inference: Inference,
    material: Material,
    part: int,
) -> PartProgram:
    settings = context.settings
    requests: list[Request] = []
    shown: list[tuple[str, ...]] = []
    items = part_items(part, settings.completions)
    for completion in items:
        drawn, prompt = completion_prompt(context, inference, material, completion)
        shown.append(drawn.shown)
        requests.append(
            inference.request(
                f"{part}/{completion}",
                prompt,
                item_seed(settings.random_seed, context.step.id, completion),
                settings.sampling,
                stop=task_list(settings.task_list).stop,
            )
        )
    completions = yield requests
    rows = [
        CompletionRow(
            round=context.step.round or 1,
            completion=item,
            text=completion.text,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            tokens=completion.tokens,
            exemplars=exemplars,
        )
        for item, completion, exemplars in zip(items, completions, shown, strict=True)
    ]
    return FilledPart(
        [COMPLETIONS.encode(row) for row in rows],
        {"completions": len(rows), **token_statistics(completions)},
    )


def completion_prompt(
    context: StageContext[GenerateSettings],
    inference: Inference,
    material: Material,
    completion: int,
) -> tuple[DrawnPrompt, list[int]]:
    """Return the prompt of a completion, as text with its examples and as token ids.

    Machine-made examples may be too long for the model's context. The prompt then shows none of
    them; prepare has checked that prompts with the other examples fit.

    Args:
        context: The stage, whose settings and id decide the draw.
        inference: The model's renderer and maximum length.
        material: The examples to draw from.
        completion: The number of the completion in the round.
    """
    settings = context.settings

    def rendered(shown: Material) -> tuple[DrawnPrompt, list[int]]:
        draw = exemplar_random(settings.random_seed, context.step.id, completion)
        drawn = task_list(settings.task_list).draw_prompt(shown, draw)
        return drawn, inference.renderer.raw(drawn.prompt)

    drawn, prompt = rendered(material)
    if material.machine_examples and not inference.fits(prompt, settings.sampling):
        return rendered(replace(material, machine_examples=0))
    return drawn, prompt
