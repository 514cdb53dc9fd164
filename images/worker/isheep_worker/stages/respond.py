"""respond: M(t-1) answers the accepted instructions, zero-shot (§3.1)."""

from __future__ import annotations

from isheep.recipes.settings import RespondSettings
from isheep_worker.context import StageContext, StageOutcome
from isheep_worker.engines.interface import Completion
from isheep_worker.rows import INSTRUCTIONS, PAIRS, InstructionRow, PairRow
from isheep_worker.seeds import item_seed
from isheep_worker.stages.inference import (
    Inference,
    commit_inference,
    fill_own_parts,
    item_count,
    token_statistics,
)
from isheep_worker.stages.parts import FilledPart, PartProgram


def run(context: StageContext[RespondSettings]) -> StageOutcome:
    """Answer this worker's parts; commit if all parts are there."""
    settings = context.settings
    source = context.input_key("instructions")
    items = item_count(context)
    inference = Inference(context, settings.model, settings.templates)

    def program(part: int) -> PartProgram:
        rows = [INSTRUCTIONS.decode(line) for line in context.artifacts.read_part(source, part)]
        return _part(context, inference, rows, part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference)


def _part(
    context: StageContext[RespondSettings],
    inference: Inference,
    rows: list[InstructionRow],
    part: int,
) -> PartProgram:
    settings = context.settings
    prompts = {
        row.id: inference.task_prompt(settings.prompt_format, row.instruction, row.input)
        for row in rows
    }
    completions = yield [
        inference.request(
            f"{part}/{id_}",
            prompt,
            item_seed(settings.random_seed, context.step.id, id_),
            settings.sampling,
        )
        for id_, prompt in prompts.items()
        if inference.fits(prompt, settings.sampling)
    ]
    answers = {completion.id.partition("/")[2]: completion for completion in completions}
    pairs = [_pair(row, answers.get(row.id), len(prompts[row.id])) for row in rows]
    return FilledPart(
        [PAIRS.encode(pair) for pair in pairs],
        {"pairs": len(pairs), **token_statistics(completions)},
    )


def _pair(row: InstructionRow, answer: Completion | None, prompt_tokens: int) -> PairRow:
    """Return the row with its response; a prompt too long for the model has an empty one.

    The pair rules drop and count empty responses.
    """
    return PairRow(
        id=row.id,
        instruction=row.instruction,
        input=row.input,
        response=answer.text.strip() if answer else "",
        finish_reason=answer.finish_reason if answer else "length",
        prompt_tokens=prompt_tokens,
        tokens=answer.tokens if answer else 0,
    )
