"""train: LoRA fine-tuning on D(t), the adapter M(t) (§3.3).

A prompt is rendered as the next iteration will send it, by the same function, so what
is trained is what is asked. Checkpoints lie in the store under the stage's key: an
attempt on any machine goes on from the newest whole one, and after the commit they go.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import zstandard

from isheep.recipes.settings import TrainSettings
from isheep.store.checkpoints import CheckpointStore
from isheep.store.interface import StoreCorruptError
from isheep_worker.context import StageContext, StageOutcome
from isheep_worker.contract import BadInputError, StoppedError
from isheep_worker.meter import Activity
from isheep_worker.prompts import load_library, load_prompting, task_prompt
from isheep_worker.rows import SELECTIONS, SelectionRow
from isheep_worker.seeds import item_seed
from isheep_worker.stages.commit import commit
from isheep_worker.stages.samples import QUESTIONS, SampleRow, sample_rows
from isheep_worker.templates.chat import PromptRenderer
from isheep_worker.training.dataset import (
    RowCounts,
    Sample,
    Split,
    collect_rows,
    first_of_each,
    split_rows,
)
from isheep_worker.training.sft import LogRow, TrainingOutcome, machine_for, train

LOG_FILE = "log.jsonl.zst"
SAMPLES_FILE = "samples.jsonl.zst"
_LOG = logging.getLogger(__name__)


def run(context: StageContext[TrainSettings]) -> StageOutcome:
    """Train and commit the adapter; raises `StoppedError` where a stop came first."""
    # Training needs the memory, and its model is another one than inference's.
    context.engines.close()
    settings, key = context.settings, context.step.key
    with context.meter.measure(Activity.LOAD):
        prompting = load_prompting(context.models.tokenizer(), settings.chat_format)
        base = _base(context)
    library = load_library(context.inputs, settings.templates)

    def prompt(instruction: str, input_: str) -> list[int]:
        return task_prompt(library, prompting.renderer, settings.prompt_format, instruction, input_)

    split, counts = _rows(context, prompt, prompting.renderer)
    checkpoints = CheckpointStore(context.artifacts.store, context.order.run.namespace)
    stored = StoredCheckpoints(checkpoints, key, context.scratch)
    adapter = context.scratch / "adapter"
    questions = [prompt(question, "") for question in QUESTIONS]
    samples: list[SampleRow] = []

    def sample(model: Any) -> None:
        first = context.step.iteration == 1
        samples.extend(sample_rows(model, prompting, questions, base_too=first))

    outcome = _train(context, split, base, adapter, stored, trained=sample)
    if not outcome.completed:
        raise StoppedError(
            f"{context.step.id}: stopped on request after step {outcome.step} of "
            f"{outcome.max_steps}; the next attempt goes on from there"
        )
    _write_lines(outcome.log, adapter / LOG_FILE)
    _write_lines(samples, adapter / SAMPLES_FILE)
    files = [
        context.artifacts.write_file(key, path.name, path)
        for path in sorted(adapter.iterdir())
        if path.is_file()
    ]
    committed = commit(context, _statistics(settings, split, counts, outcome), files=files)
    checkpoints.delete(key)
    return committed


class StoredCheckpoints:
    """A training's checkpoints in the store, as `training` wants them."""

    def __init__(self, store: CheckpointStore, key: str, scratch: Path) -> None:
        self._store = store
        self._key = key
        self._scratch = scratch

    def save(self, folder: Path, step: int) -> None:
        """Store a checkpoint; the store keeps the newest two."""
        self._store.save(self._key, step, folder, {})

    def latest(self) -> Path | None:
        """Return a local copy of the newest whole checkpoint, or None."""
        for step in self._store.steps(self._key):
            folder = self._scratch / f"checkpoint-{step}"
            try:
                self._store.restore(self._key, step, folder)
            except StoreCorruptError as error:
                _LOG.warning("a checkpoint is passed over: %s", error)
                continue
            return folder
        return None

    def discard(self) -> None:
        """Delete them all."""
        self._store.delete(self._key)


def _base(context: StageContext[TrainSettings]) -> Path:
    """Return the model to start from: M(0), or the merged M(t-1)."""
    keys = context.step.inputs.get("model", ())
    return context.models.of_stage(keys[0]) if keys else context.models.base()


def _rows(
    context: StageContext[TrainSettings],
    prompt: Callable[[str, str], list[int]],
    renderer: PromptRenderer,
) -> tuple[Split, RowCounts]:
    """Return D(t) as token rows, split; and what became of its pairs."""
    settings = context.settings
    datasets = (_kept(context, key) for key in context.step.inputs["data"])
    samples = (
        Sample(
            seed=item_seed(settings.random_seed, context.step.id, row.id),
            prompt_ids=prompt(row.instruction, row.input),
            response_ids=renderer.response(row.response),
        )
        for row in first_of_each(datasets, settings.max_samples)
    )
    rows, counts = collect_rows(samples, settings.max_length)
    return split_rows(rows, settings.validation_share), counts


def _kept(context: StageContext[TrainSettings], key: str) -> Iterator[SelectionRow]:
    for line in context.artifacts.read_lines(key):
        row = SELECTIONS.decode(line)
        if row.kept:
            yield row


def _train(
    context: StageContext[TrainSettings],
    split: Split,
    base: Path,
    out: Path,
    checkpoints: StoredCheckpoints,
    *,
    trained: Callable[[Any], None],
) -> TrainingOutcome:
    with context.meter.measure(Activity.LOAD):
        import torch  # noqa: PLC0415 (heavy)

        from isheep_worker.training.trainer import TrainingDivergedError  # noqa: PLC0415 (heavy)
    runtime = context.order.runtime
    machine = machine_for(
        "cuda" if torch.cuda.is_available() else "cpu",
        os.environ,
        runtime.checkpoint_seconds,
        runtime.memory_reduction,
    )

    def report(step: int, steps: int, loss: float) -> None:
        context.progress.items(step, steps, f"loss {loss:.3f}")

    try:
        with context.meter.measure(Activity.ENGINE):
            outcome = train(
                context.settings,
                split,
                seed=item_seed(context.settings.random_seed, context.step.id, "train"),
                base=base,
                out=out,
                machine=machine,
                checkpoints=checkpoints,
                stop=context.stop.is_set,
                progress=report,
                trained=trained,
            )
    except TrainingDivergedError as error:
        raise BadInputError(f"{context.step.id}: {error}") from error
    context.meter.move(outcome.load_seconds, Activity.ENGINE, Activity.LOAD)
    return outcome


def _write_lines(rows: Iterable[LogRow | SampleRow], path: Path) -> None:
    lines = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
    path.write_bytes(zstandard.compress(lines.encode()))


def _statistics(
    settings: TrainSettings, split: Split, counts: RowCounts, outcome: TrainingOutcome
) -> dict[str, float]:
    losses = [row.loss for row in outcome.log]
    eval_losses = [row.eval_loss for row in outcome.log if row.eval_loss is not None]
    statistics: dict[str, float] = {
        "samples": len(split.train),
        "validationSamples": len(split.validation),
        "drop:no-label": counts.dropped,
        "steps": outcome.step,
        "tokens": round(split.train.token_count * settings.num_train_epochs),
        "trainLoss": sum(losses) / len(losses),
        "resumedFromStep": outcome.resumed_from or 0,
        "modelLoads": 1,
    }
    if eval_losses:
        statistics["evalLoss"] = eval_losses[-1]
    return statistics
