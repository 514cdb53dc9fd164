"""train: LoRA fine-tuning on D(t). merge: the full weights of M(t) (§3.3)."""

from __future__ import annotations

from collections.abc import Sequence

from isheep.contract.choices import EVALUATION_STEPS
from isheep.recipes import settings as s
from isheep.recipes.builders.context import RunContext, response_format, with_model
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind


def train(run: RunContext, t: int, selects: Sequence[str]) -> Stage:
    """Return the training of iteration t; `selects` are the select stages of D(1) to D(t)."""
    spec, prepared = run.spec.training, run.prepared
    data = selects if spec.data == "All" else selects[-1:]
    start = _start(run, t)
    evaluated = spec.validation_share > 0
    usual = spec.evaluation_steps == EVALUATION_STEPS
    return Stage(
        f"i{t}/train",
        StageKind.TRAIN,
        t,
        s.TrainSettings(
            base_model=prepared.model_digest,
            chat_format=run.response_chat_format,
            dtype=prepared.dtype,
            random_seed=run.spec.random_seed,
            prompt_format=response_format(run.spec.responses.prompt_format, t),
            templates=prepared.templates_digest,
            max_samples=spec.max_samples,
            take="Drawn" if spec.take == "Drawn" else None,
            validation_share=spec.validation_share,
            effective_batch_size=spec.effective_batch_size,
            num_train_epochs=spec.num_train_epochs,
            learning_rate=spec.learning_rate,
            warmup_steps=spec.warmup_steps,
            max_length=spec.max_length,
            lora=s.LoraSettings(
                r=spec.lora.r,
                alpha=spec.lora.alpha,
                dropout=spec.lora.dropout,
                target_modules=spec.lora.target_modules,
            ),
            checkpoint="Last" if evaluated and spec.checkpoint == "Last" else None,
            evaluation_steps=spec.evaluation_steps if evaluated and not usual else None,
        ),
        inputs=with_model(start, data=tuple(data)),
        model=start,
    )


def merge(run: RunContext, t: int) -> Stage:
    """Return the stage that merges the adapter of iteration t into the model it was trained on."""
    return Stage(
        f"i{t}/merge",
        StageKind.MERGE,
        t,
        s.MergeSettings(
            base_model=run.prepared.model_digest,
            dtype=run.prepared.dtype,
            chat_format=run.response_chat_format,
        ),
        inputs=with_model(_start(run, t), adapter=(f"i{t}/train",)),
    )


def _start(run: RunContext, t: int) -> str:
    return run.writing_model(t) if run.spec.training.start_from == "Previous" else ""
