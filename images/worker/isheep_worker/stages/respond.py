"""respond: M(t-1) writes a response to each accepted instruction, zero-shot (§3.1).

The settings can extend the prompt: the model first selects principles, which are cut from its
answer, or it answers at length (SELF-ALIGN, steps 2 and 4). These extensions are in the prompts of
this stage only, never in a pair. Thoughts of a model that thinks before its answer are in a pair
only with `responses.thinking: Keep`. Each pair has the log-probability of all tokens that the model
drew for it, those of thoughts and principles included, because the number of tokens has them too.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import cache

from isheep.recipes.settings import RespondSettings
from isheep_worker.engines.interface import Completion
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import (
    Inference,
    Prompt,
    commit_inference,
    complete_prompts,
    fill_own_parts,
    item_count,
)
from isheep_worker.execution.parts import FilledPart, PartProgram, part_items
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import INSTRUCTIONS, PAIRS, InstructionRow, PairRow
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Known, LongestPrompt
from isheep_worker.templates.principles import (
    PRINCIPLES,
    STOP,
    Reply,
    principle_prompt,
    read_reply,
)
from isheep_worker.templates.prompting import task_text, token_ids
from isheep_worker.templates.response import CHAT, RAW, VERBOSE, response_verbose
from isheep_worker.text.thoughts import without_thoughts


def run(context: StageContext[RespondSettings]) -> StageOutcome:
    """Answer this worker's parts, and commit the stage if all its parts exist."""
    settings = context.settings
    source = context.input_key("instructions")
    items = item_count(context)
    inference = Inference(context, settings.model, settings.templates)
    drawn = cache(lambda: _drawn(context, source, items))

    def program(part: int) -> PartProgram:
        if settings.drawn:
            lines: Iterable[bytes] = [drawn()[item] for item in part_items(part, items)]
        else:
            lines = context.artifacts.read_part(source, part)
        return _part(context, inference, [INSTRUCTIONS.decode(line) for line in lines], part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference)


def longest_prompts(settings: RespondSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the prompt of one task: of the longest seed task if the settings extend the prompt.

    The template around a task alone is short, so a task of common length is enough for it.
    """
    task = known.task if settings.asking is None else known.longest_task()
    text = _text(settings, known.library, task.instruction, task.input)
    yield LongestPrompt(
        _template(settings), text, settings.sampling.max_tokens, field="responses.sampling"
    )


def _drawn(context: StageContext[RespondSettings], source: str, items: int) -> list[bytes]:
    """Return `items` of all instructions, drawn uniformly, in the order of the draw."""
    seed = item_seed(context.settings.random_seed, context.step.id, "drawn")
    draw = random.Random(seed)  # noqa: S311 - reproducible on purpose
    return draw.sample(list(context.artifacts.read_lines(source)), items)


def _part(
    context: StageContext[RespondSettings],
    inference: Inference,
    rows: list[InstructionRow],
    part: int,
) -> PartProgram:
    settings = context.settings
    stop = STOP if settings.asking == "Principles" else ()
    prompts = {row.id: Prompt(_prompt(settings, inference, row), stop) for row in rows}
    found, tokens = yield from complete_prompts(context, inference, part, prompts, logprob=True)
    replies = {row.id: _reply(settings, found.get(row.id)) for row in rows}
    pairs = [
        _pair(settings, row, found.get(row.id), replies[row.id], len(prompts[row.id].token_ids))
        for row in rows
    ]
    statistics = {
        "pairs": len(pairs),
        "thoughtsRemoved": sum(pair.response != replies[pair.id].text for pair in pairs),
        **tokens,
    }
    return FilledPart([PAIRS.encode(pair) for pair in pairs], statistics)


def _prompt(settings: RespondSettings, inference: Inference, row: InstructionRow) -> list[int]:
    text = _text(settings, inference.library, row.instruction, row.input)
    return token_ids(inference.renderer, settings.prompt_format, text)


def _text(
    settings: RespondSettings, library: TemplateLibrary, instruction: str, input_text: str
) -> str:
    """Return the prompt for M(t-1), as raw text or as the content of a user message."""
    if settings.asking == "Principles":
        return principle_prompt(library, settings.exemplars or 0, instruction, input_text)
    if settings.asking == "Verbose":
        text = response_verbose(library, instruction, input_text)
        # Without a chat template, the response begins after the end of the line.
        return f"{text}\n" if settings.prompt_format == "Raw" else text
    return task_text(library, settings.prompt_format, instruction, input_text)


def _template(settings: RespondSettings) -> str:
    if settings.asking is not None:
        return PRINCIPLES if settings.asking == "Principles" else VERBOSE
    return RAW if settings.prompt_format == "Raw" else CHAT


def _reply(settings: RespondSettings, answer: Completion | None) -> Reply:
    """Return the reply in a completion, with the thoughts before it."""
    if answer is not None and settings.asking == "Principles":
        return read_reply(answer.text)
    return Reply(answer.text.strip() if answer else "")


def _pair(
    settings: RespondSettings,
    row: InstructionRow,
    answer: Completion | None,
    reply: Reply,
    prompt_tokens: int,
) -> PairRow:
    """Return the row with its response, which is empty if the prompt is too long for the model.

    The pair rules drop and count empty responses. Thoughts before the answer are removed unless
    they are kept.
    """
    return PairRow(
        id=row.id,
        instruction=row.instruction,
        input=row.input,
        response=reply.text if settings.thinking == "Keep" else without_thoughts(reply.text),
        finish_reason=answer.finish_reason if answer else "length",
        prompt_tokens=prompt_tokens,
        tokens=answer.tokens if answer else 0,
        rule=reply.rule,
        logprob=answer.logprob if answer else None,
    )
