"""generate: one round of completions of the instruction prompt, from M(t-1) (§3.1).

Each completion shows the model its own draw of seed tasks, uniform and without
repetition, and asks it to go on with the list. The prompt is raw in every iteration,
as in the released scripts: tuned models, too, just continue it.
"""

from __future__ import annotations

from isheep.recipes.settings import GenerateSettings
from isheep_worker.context import StageContext, StageOutcome
from isheep_worker.engines.interface import Request
from isheep_worker.rows import COMPLETIONS, CompletionRow
from isheep_worker.seed_tasks import SeedTask, read_seed_tasks
from isheep_worker.seeds import exemplar_random, item_seed
from isheep_worker.stages.inference import (
    Inference,
    commit_inference,
    fill_own_parts,
    token_statistics,
)
from isheep_worker.stages.parts import FilledPart, PartProgram, part_items
from isheep_worker.templates.meta_prompt import Exemplar, meta_prompt, stop_string


def run(context: StageContext[GenerateSettings]) -> StageOutcome:
    """Generate this worker's parts of the round; commit if all parts are there."""
    settings = context.settings
    seeds = read_seed_tasks(context.inputs.get(settings.seed_tasks), "the run's seed tasks")
    inference = Inference(context, settings.model, settings.templates)

    def program(part: int) -> PartProgram:
        return _part(context, inference, seeds, part)

    fill_own_parts(context, settings.completions, inference, program)
    return commit_inference(context, settings.completions, inference)


def _part(
    context: StageContext[GenerateSettings],
    inference: Inference,
    seeds: list[SeedTask],
    part: int,
) -> PartProgram:
    settings = context.settings
    requests: list[Request] = []
    shown: list[tuple[str, ...]] = []
    items = part_items(part, settings.completions)
    for completion in items:
        draw = exemplar_random(settings.random_seed, context.step.id, completion)
        exemplars = draw.sample(seeds, settings.examples_per_prompt)
        text = meta_prompt(
            inference.library,
            [Exemplar(task.instruction, task.input) for task in exemplars],
            language=settings.language,
        )
        shown.append(tuple(task.id for task in exemplars))
        requests.append(
            inference.request(
                f"{part}/{completion}",
                inference.renderer.raw(text),
                item_seed(settings.random_seed, context.step.id, completion),
                settings.sampling,
                stop=(stop_string(),),
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
