"""classify: M(t-1) says of each instruction whether it asks for a classification.

Few-shot and raw, as in Self-Instruct. An answer that says neither counts as no, as it
does there, and is counted: the task is then instantiated like any other.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.recipes.settings import ClassifySettings
from isheep_worker.engines.interface import Completion
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import (
    Inference,
    Prompt,
    answers,
    commit_inference,
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
    """Classify this worker's parts; commit if all parts are there."""
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
    """Yield the prompt of a task, which is long for its many examples."""
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
    said, tokens = yield from answers(context, inference, part, prompts)
    classes = [_class(row, said.get(row.id)) for row in rows]
    del tokens["cutByLength"]  # one word is the answer; what follows it is no news
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
    """Return what is said of an instruction: nothing where it is too long for the model."""
    return ClassRow(row.id, parse_answer(answer.text) if answer else None)
