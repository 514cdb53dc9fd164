"""classify: M(t-1) decides for each instruction whether it is a classification task.

As in Self-Instruct, the prompts are raw text with worked examples. An answer that is neither yes
nor no is counted as unreadable and then treated as no: the task is instantiated like other tasks.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.recipes.settings import ClassifySettings
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
from isheep_worker.execution.parts import FilledPart, PartProgram
from isheep_worker.instances.classification import (
    STOP,
    TEMPLATE,
    classification_prompt,
    parse_answer,
)
from isheep_worker.rows.schema import CLASSES, INSTRUCTIONS, ClassRow, InstructionRow
from isheep_worker.templates.longest_prompts import Known, LongestPrompt


def run(context: StageContext[ClassifySettings]) -> StageOutcome:
    """Classify this worker's parts, and commit the stage if all its parts exist."""
    settings = context.settings
    source = context.input_key("instructions")
    items = item_count(context)
    inference = Inference(context, settings.model, settings.templates)

    def program(part: int) -> PartProgram:
        rows = [INSTRUCTIONS.decode(line) for line in context.artifacts.read_part(source, part)]
        return _part(context, inference, rows, part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference)


def longest_prompts(settings: ClassifySettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the prompt of one task. Its worked examples are most of its length."""
    text = classification_prompt(known.library, known.task.instruction)
    yield LongestPrompt(TEMPLATE, text, settings.sampling.max_tokens, field=None)


def _part(
    context: StageContext[ClassifySettings],
    inference: Inference,
    rows: list[InstructionRow],
    part: int,
) -> PartProgram:
    library, renderer = inference.library, inference.renderer
    prompts = {
        row.id: Prompt(renderer.raw(classification_prompt(library, row.instruction)), STOP)
        for row in rows
    }
    found, tokens = yield from complete_prompts(context, inference, part, prompts)
    classes = [_class(row, found.get(row.id)) for row in rows]
    # The answer is one word, so most completions are cut after it. The count has no meaning.
    del tokens["cutByLength"]
    return FilledPart(
        [CLASSES.encode(row) for row in classes],
        {
            "instructions": len(classes),
            "classifications": sum(row.is_classification is True for row in classes),
            "unreadable": sum(row.is_classification is None for row in classes),
            **tokens,
        },
    )


def _class(row: InstructionRow, answer: Completion | None) -> ClassRow:
    """Return the class of an instruction: None if its prompt is too long for the model."""
    return ClassRow(row.id, parse_answer(answer.text) if answer else None)
