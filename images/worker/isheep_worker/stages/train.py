"""train: fine-tune the base model on D(t) with LoRA; the result is the adapter of M(t) (§3.3).

The stage renders prompts with the function that the next iteration uses, so the model is trained on
the prompts that it will receive. Checkpoints are in the store under the stage's key: an attempt on
any machine resumes from the newest complete one. The stage deletes them after its commit.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import zstandard

from isheep.contract.choices import PromptFormat
from isheep.contract.order import Outcome
from isheep.contract.rule_names import DROP
from isheep.recipes.settings import TrainSettings
from isheep.store.checkpoints import CheckpointStore
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.rows.file_names import SAMPLE_ANSWERS_FILE, TRAINING_LOG_FILE
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import SELECTIONS, SelectionRow
from isheep_worker.rules.cut import LENGTH
from isheep_worker.rules.drop_reasons import NO_LABEL
from isheep_worker.runtime.errors import StoppedError
from isheep_worker.runtime.meter import Activity
from isheep_worker.templates.chat import PromptRenderer
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.prompting import (
    Prompting,
    load_library,
    load_prompting,
    task_prompt,
    task_response,
)
from isheep_worker.training.base_name import name_base
from isheep_worker.training.chat_files import write_chat
from isheep_worker.training.checkpoint_storage import StoredCheckpoints
from isheep_worker.training.dataset import (
    RowCounts,
    Sample,
    Split,
    collect_rows,
    split_rows,
)
from isheep_worker.training.distributed_launch import ProcessGroup, launch_training, process_group
from isheep_worker.training.holdout import Origin, held_out
from isheep_worker.training.machine import this_machine
from isheep_worker.training.outcome import LogRow, TrainingOutcome, training_loss
from isheep_worker.training.sample_answers import QUESTIONS, SampleAnswer, sample_answers
from isheep_worker.training.sample_choice import drawn, first
from isheep_worker.training.sft import train
from isheep_worker.training.task_folder import Task, TaskFolder


def run(context: StageContext[TrainSettings]) -> StageOutcome:
    """Train and commit the adapter; raise `StoppedError` if a stop interrupts the training.

    If several nodes train, only the first one commits, and the others return a partial outcome.
    """
    # Training needs the engine's memory, and it loads its own copy of the model.
    context.engines.close()
    settings, key = context.settings, context.step.key
    with context.meter.measure(Activity.LOAD):
        tokenizer = context.models.tokenizer()
        prompting = load_prompting(tokenizer, settings.chat_format)
        base = _base(context)
    library = load_library(context.inputs, settings.templates)

    def prompt(instruction: str, input_: str) -> list[int]:
        return task_prompt(library, prompting.renderer, settings.prompt_format, instruction, input_)

    def response(row: SelectionRow) -> list[int]:
        return _response_ids(library, prompting.renderer, settings.prompt_format, row)

    split, counts = _rows(context, prompt, response)
    task = Task(
        order=context.order,
        step_id=context.step.id,
        seed=item_seed(settings.random_seed, context.step.id, "train"),
        base=base,
        tokenizer=tokenizer,
        questions=[prompt(question, "") for question in QUESTIONS],
        with_base=context.step.iteration == 1,
    )
    group = _group(context)
    adapter = context.scratch / "adapter"
    if group.world_size == 1:
        outcome, samples = _train(context, task, split, prompting, adapter)
    else:
        outcome, samples = _train_together(context, task, split, group)
    if not outcome.completed:
        raise StoppedError(
            f"{context.step.id}: stopped on request after step {outcome.step} of "
            f"{outcome.max_steps}; the next attempt resumes from this step"
        )
    if group.index > 0:
        return StageOutcome(Outcome.PARTIAL)
    if not context.step.inputs.get("model"):
        sources = context.order.sources
        name_base(adapter, sources.model, sources.model_revision)
    write_chat(adapter, prompting.chat_format.template, prompting.chat_format.stop_token_ids)
    _write_lines(outcome.log, adapter / TRAINING_LOG_FILE)
    _write_lines(samples, adapter / SAMPLE_ANSWERS_FILE)
    files = [
        context.artifacts.write_file(key, path.name, path)
        for path in sorted(adapter.iterdir())
        if path.is_file()
    ]
    statistics = _statistics(settings, split, counts, outcome, group)
    statistics |= {"baseBytes": _bytes(base), "adaptedShare": _adapted_share(base)}
    committed = commit(context, statistics, files=files)
    _checkpoints(context).delete(key)
    return committed


def _adapted_share(base: Path) -> float:
    """Return the share of the base's linear weights that LoRA adapts."""
    from isheep_worker.training.targets import adapted_share  # noqa: PLC0415 (heavy)

    return adapted_share(base)


def _group(context: StageContext[TrainSettings]) -> ProcessGroup:
    """Return the group of training processes: one for each GPU of all workers."""
    with context.meter.measure(Activity.LOAD):
        import torch  # noqa: PLC0415 (heavy)
    return process_group(
        context.order.runtime.num_nodes, context.shard, torch.cuda.device_count(), os.environ
    )


def _checkpoints(context: StageContext[TrainSettings]) -> CheckpointStore:
    store, order = context.artifacts.store, context.order
    return CheckpointStore(store, order.run.namespace, attempt=order.attempt)


def _base(context: StageContext[TrainSettings]) -> Path:
    """Return the folder of the model to start from: M(0), or the merged M(t-1)."""
    keys = context.step.inputs.get("model", ())
    return context.models.of_stage(keys[0]) if keys else context.models.base()


def _bytes(model: Path) -> int:
    """Return the size of a model's weights in bytes."""
    return sum(path.stat().st_size for path in model.glob("*.safetensors"))


def _rows(
    context: StageContext[TrainSettings],
    prompt: Callable[[str, str], list[int]],
    response: Callable[[SelectionRow], list[int]],
) -> tuple[Split, RowCounts]:
    """Return the token rows of D(t), split into training and validation, and their counts."""
    settings = context.settings
    used = [(key, _used(context, key)) for key in context.step.inputs["data"]]
    origins: list[list[Origin]] = []

    def samples() -> Iterator[Sample]:
        # The rows come from the store, so one pass makes the samples and the origins.
        for key, positions in used:
            origins.append([])
            for row in _rows_at(context, key, positions):
                seed = _seed(settings, "validation", row)
                origins[-1].append(Origin(seed, row.instruction))
                yield Sample(seed, prompt(row.instruction, row.input), response(row))

    rows, counts = collect_rows(samples(), settings.max_length)
    return split_rows(rows, held_out(origins, settings.validation_share)), counts


def _used(context: StageContext[TrainSettings], key: str) -> Container[int]:
    """Return the positions of the kept pairs of a training set that the training uses."""
    settings = context.settings
    if settings.max_samples is None:
        return range(sys.maxsize)
    if settings.take is None:
        return first(settings.max_samples)
    seeds = (_seed(settings, "take", row) for row in _kept(context, key))
    return drawn(seeds, settings.max_samples)


def _seed(settings: TrainSettings, purpose: str, row: SelectionRow) -> int:
    """Return a hash of a pair, which is the same in each training that uses the pair."""
    return item_seed(settings.random_seed, f"train/{purpose}", row.id)


def _rows_at(
    context: StageContext[TrainSettings], key: str, positions: Container[int]
) -> Iterator[SelectionRow]:
    for position, row in enumerate(_kept(context, key)):
        if position in positions:
            yield row


def _response_ids(
    library: TemplateLibrary,
    renderer: PromptRenderer,
    prompt_format: PromptFormat,
    row: SelectionRow,
) -> list[int]:
    """Return the ids to predict; a response that was cut has no end of its turn to learn."""
    ended = row.finish_reason != LENGTH
    return task_response(library, renderer, prompt_format, row, ended=ended)


def _kept(context: StageContext[TrainSettings], key: str) -> Iterator[SelectionRow]:
    for line in context.artifacts.read_lines(key):
        row = SELECTIONS.decode(line)
        if row.kept:
            yield row


def _train(
    context: StageContext[TrainSettings],
    task: Task,
    split: Split,
    prompting: Prompting,
    out: Path,
) -> tuple[TrainingOutcome, list[SampleAnswer]]:
    """Train in this process."""
    with context.meter.measure(Activity.LOAD):
        machine = this_machine(context.order.runtime)
    samples: list[SampleAnswer] = []

    def sample(model: Any) -> None:
        samples.extend(sample_answers(model, prompting, task.questions, with_base=task.with_base))

    with context.meter.measure(Activity.ENGINE):
        outcome = train(
            context.settings,
            split,
            seed=task.seed,
            base=task.base,
            out=out,
            machine=machine,
            checkpoints=StoredCheckpoints(_checkpoints(context), context.step.key, context.scratch),
            stop=context.stop.is_set,
            progress=_reporter(context, every_step=True),
            on_completion=sample,
        )
    context.meter.move(outcome.load_seconds, Activity.ENGINE, Activity.LOAD)
    return outcome, samples


def _train_together(
    context: StageContext[TrainSettings], task: Task, split: Split, group: ProcessGroup
) -> tuple[TrainingOutcome, list[SampleAnswer]]:
    """Train in separate processes, together with the processes of the other nodes."""
    folder = TaskFolder(context.scratch)
    folder.write_task(task, split)
    with context.meter.measure(Activity.ENGINE):
        launch_training(
            group,
            folder,
            run=f"{context.step.key}-{context.order.attempt}",
            stop=context.stop.is_set,
            progress=_reporter(context, every_step=False),
        )
    outcome = folder.outcome()
    context.meter.move(outcome.load_seconds, Activity.ENGINE, Activity.LOAD)
    return outcome, folder.samples()


def _reporter(
    context: StageContext[TrainSettings], *, every_step: bool
) -> Callable[[int, int, float], None]:
    """Return what reports the steps; with `every_step`, no step is left out before the first."""
    begun = False
    # Until the end of the first step, a stop loses nothing.
    context.progress.activity(Activity.LOAD)

    def report(step: int, steps: int, loss: float) -> None:
        nonlocal begun
        if not begun:
            context.progress.activity(Activity.ENGINE)
            if every_step and step > 1:
                context.progress.found(step - 1, steps)
        begun = True
        context.progress.items(step, steps, f"loss {loss:.3f}")

    return report


def _write_lines(rows: Iterable[LogRow | SampleAnswer], path: Path) -> None:
    lines = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
    path.write_bytes(zstandard.compress(lines.encode()))


def _statistics(
    settings: TrainSettings,
    split: Split,
    counts: RowCounts,
    outcome: TrainingOutcome,
    group: ProcessGroup,
) -> dict[str, float]:
    (written,) = (row for row in outcome.log if row.step == outcome.adapter_step)
    statistics: dict[str, float] = {
        "samples": len(split.train),
        "validationSamples": len(split.validation),
        DROP + NO_LABEL.name: counts.dropped,
        "steps": outcome.step,
        "adapterStep": written.step,
        "tokens": round(split.train.token_count * settings.num_train_epochs),
        "trainLoss": training_loss(outcome.log, written.step),
        "resumedFromStep": outcome.resumed_from or 0,
        "modelLoads": 1,
        "processes": group.world_size,
        "tokensAtOnce": outcome.tokens_at_once,
        "recomputesActivations": int(outcome.recomputes_activations),
    }
    if written.eval_loss is not None:
        statistics["evalLoss"] = written.eval_loss
    return statistics
