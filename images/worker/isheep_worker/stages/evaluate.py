"""evaluate: M(t) answers requests that are the same for every t, M(0) included.

The requests are those of a benchmark, which prepare has rendered, or those of the yardstick, which
are made from seed tasks. For each task of the yardstick, the stage measures the loss of the task's
own output after its zero-shot prompt, and M(t) answers the task. The loss is an alarm and not a
measure of quality: a model that is trained on its own texts may have a higher loss on other texts
and still be better.

The tasks are drawn by a hash of their text, so the draw depends neither on their order in the file
nor on the run. The sampling of the answers is fixed. So all runs with the same base model, seed
tasks and yardstick share the measurement of M(0).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from isheep.recipes.evaluation_settings import EvaluateSettings, YardstickSettings
from isheep.recipes.settings import Sampling
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.evaluation.stored import get_benchmark
from isheep_worker.execution.benchmark_answers import answer_benchmark
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import (
    Inference,
    commit_inference,
    fill_own_parts,
    item_count,
    token_statistics,
)
from isheep_worker.execution.parts import FilledPart, PartProgram, part_items
from isheep_worker.execution.turn_answers import answer_turns
from isheep_worker.inputs.seed_tasks import SeedTask, read_seed_tasks
from isheep_worker.judging.graded_document import has_turns
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import EVALUATIONS, EvaluationRow, PairRow
from isheep_worker.templates.longest_prompts import Known, LongestPrompt
from isheep_worker.templates.prompting import task_prompt, task_response, task_text
from isheep_worker.templates.response import CHAT, RAW
from isheep_worker.text.thoughts import without_thoughts

TEMPERATURE, TOP_P = 0.7, 0.95
"""The sampling of the answers. It is in no key: raise the version of the stage to change it."""
_TASKS = "the run's seed tasks"


def run(context: StageContext[EvaluateSettings]) -> StageOutcome:
    """Make this worker's parts, and commit the stage if all its parts exist."""
    if context.settings.benchmark is not None:
        stored = get_benchmark(context.inputs, context.settings.benchmark)
        if has_turns(stored):
            return answer_turns(context, context.settings.benchmark)
        return answer_benchmark(context, context.settings.benchmark)
    settings = YardstickSettings.model_validate(context.settings.canonical())
    items = item_count(context)
    inference = Inference(context, settings.model, settings.templates)
    tasks = drawn_tasks(read_seed_tasks(context.inputs.get(settings.seed_tasks), _TASKS), items)

    def program(part: int) -> PartProgram:
        return _part(settings, inference, [tasks[item] for item in part_items(part, items)], part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference)


def longest_prompts(settings: EvaluateSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the prompt of the longest seed task. An output that is too long is not measured.

    The requests of a benchmark have known lengths, so they are not among these prompts.
    """
    if settings.max_tokens is None:
        return
    task = known.longest_task()
    text = task_text(known.library, settings.prompt_format, task.instruction, task.input)
    template = RAW if settings.prompt_format == "Raw" else CHAT
    yield LongestPrompt(template, text, settings.max_tokens, field="yardstick")


def drawn_tasks(tasks: Sequence[SeedTask], count: int) -> list[SeedTask]:
    """Return `count` tasks in the order of a hash of their text, those with an output first."""
    return sorted(tasks, key=lambda task: (not task.output, _hash(task)))[:count]


def _hash(task: SeedTask) -> str:
    text = "\x00".join((task.instruction, task.input, task.output))
    return hashlib.sha256(text.encode()).hexdigest()


def _part(
    settings: YardstickSettings,
    inference: Inference,
    tasks: Sequence[SeedTask],
    part: int,
) -> PartProgram:
    prompts = [_prompt(settings, inference, task) for task in tasks]
    requests = [
        request
        for n, (task, prompt) in enumerate(zip(tasks, prompts, strict=True))
        for request in (
            _answer(settings, inference, task, prompt, f"{part}/answer/{n}"),
            _output(settings, inference, task, prompt, f"{part}/output/{n}"),
        )
        if request is not None
    ]
    found = {completion.id: completion for completion in (yield requests)}
    answers = [found.get(f"{part}/answer/{n}") for n in range(len(tasks))]
    outputs = [found.get(f"{part}/output/{n}") for n in range(len(tasks))]
    rows = [
        _row(settings, task, answer, output)
        for task, answer, output in zip(tasks, answers, outputs, strict=True)
    ]
    measured = [row for row in rows if row.loss is not None]
    statistics = {
        "items": len(rows),
        "measured": len(measured),
        **token_statistics([answer for answer in answers if answer is not None]),
    }
    return FilledPart([EVALUATIONS.encode(row) for row in rows], statistics)


def _answer(
    settings: YardstickSettings, inference: Inference, task: SeedTask, prompt: list[int], id_: str
) -> Request | None:
    """Return the request for an answer, or None if the prompt leaves no room for it."""
    sampling = Sampling(temperature=TEMPERATURE, top_p=TOP_P, max_tokens=settings.max_tokens)
    if not inference.fits(prompt, sampling):
        return None
    seed = item_seed(settings.random_seed, "yardstick", _hash(task))
    return inference.request(id_, prompt, seed, sampling)


def _output(
    settings: YardstickSettings, inference: Inference, task: SeedTask, prompt: list[int], id_: str
) -> Request | None:
    """Return the request for the loss of the task's output, or None if it cannot be measured."""
    if not task.output:
        return None
    pair = PairRow(task.id, task.instruction, task.input, task.output, "stop", 0, 0)
    continuation = task_response(
        inference.library, inference.renderer, settings.prompt_format, pair, ended=False
    )
    return inference.continuation_request(id_, prompt, continuation)


def _prompt(settings: YardstickSettings, inference: Inference, task: SeedTask) -> list[int]:
    return task_prompt(
        inference.library,
        inference.renderer,
        settings.prompt_format,
        task.instruction,
        task.input,
    )


def _row(
    settings: YardstickSettings,
    task: SeedTask,
    answer: Completion | None,
    output: Completion | None,
) -> EvaluationRow:
    text = "" if answer is None else answer.text.strip()
    logprob = None if output is None else output.continuation_logprob
    tokens = 0 if output is None else output.continuation_tokens
    return EvaluationRow(
        id=task.id,
        instruction=task.instruction,
        input=task.input,
        loss=None if logprob is None else -logprob / tokens,
        output_tokens=tokens,
        response=text if settings.thinking == "Keep" else without_thoughts(text),
        finish_reason="length" if answer is None else answer.finish_reason,
        tokens=0 if answer is None else answer.tokens,
    )
