"""Builds the model and the Trainer of one training from the run's settings.

Every argument that differs from Transformers' default is in this module, next to the setting
that determines it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, set_seed
from transformers.distributed import DistributedConfig
from transformers.utils.logging import disable_progress_bar

from isheep.recipes.settings import TrainSettings
from isheep_worker.engines.causal_model import load_model
from isheep_worker.training.batch_sharding import passes
from isheep_worker.training.dataset import Split
from isheep_worker.training.packing import pack, prepare_packing
from isheep_worker.training.step_schedule import StepSchedule
from isheep_worker.training.targets import add_adapter
from isheep_worker.training.trainer import ProgressReport, ResponseTrainer

_LOG = logging.getLogger(__name__)


def build_trainer(
    settings: TrainSettings,
    data: Split,
    *,
    seed: int,
    base: Path,
    scratch: Path,
    device: str,
    world_size: int,
    rows_at_once: int,
    recompute_activations: bool,
    schedule: StepSchedule,
    progress: ProgressReport,
) -> ResponseTrainer:
    """Load the base with a new adapter and return its Trainer.

    Args:
        settings: The training's settings (Appendix E).
        data: The rows to train on and the validation rows.
        seed: The seed of the adapter's initial values, the rows' order and the dropout, below
            2^32.
        base: The folder of the model to start from.
        scratch: The folder in which checkpoints are written before they are stored.
        device: The kind of device, `cpu` or `cuda`.
        world_size: The number of processes.
        rows_at_once: Rows in a micro-batch. With one process the number must divide the
            effective batch. It becomes 1 if the model's architecture cannot keep packed rows
            apart.
        recompute_activations: Whether the backward pass computes activations a second time
            instead of keeping them in memory.
        schedule: Evaluates, saves and stops at the end of a step.
        progress: Called once a step.
    """
    model = load_for_training(settings, base, seed, device, world_size)
    if rows_at_once > 1 and not prepare_packing(model.get_base_model()):
        _LOG.warning(
            "this architecture does not keep packed rows apart: training with one row at a time"
        )
        rows_at_once = 1
    arguments = TrainingArguments(
        output_dir=str(scratch),
        seed=seed,
        data_seed=seed,
        use_cpu=device == "cpu",
        bf16=settings.dtype == "bfloat16",
        fp16=settings.dtype == "float16",
        per_device_train_batch_size=rows_at_once,
        gradient_accumulation_steps=passes(settings.effective_batch_size, world_size, rows_at_once),
        gradient_checkpointing=recompute_activations,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        num_train_epochs=settings.num_train_epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_steps,
        optim="adamw_torch",
        # `StepSchedule` evaluates and saves at the end of a step. The log has every step.
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        label_names=["labels"],
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
        disable_tqdm=True,
        report_to="none",
    )
    # The Trainer of a single process would otherwise split a micro-batch over all visible GPUs.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return ResponseTrainer(
        model=model,
        args=arguments,
        data_collator=pack,
        train_dataset=data.train,
        eval_dataset=data.validation,
        effective_batch_size=settings.effective_batch_size,
        schedule=schedule,
        progress=progress,
    )


def load_for_training(
    settings: TrainSettings, base: Path, seed: int, device: str, world_size: int = 1
) -> Any:
    """Return the frozen base with a new LoRA adapter on the weights that `targets` finds.

    The adapter is in float32 for every dtype of the base.

    Args:
        settings: The training's settings: dtype, and LoRA's rank, alpha and dropout.
        base: The folder of the model to start from.
        seed: The seed of the adapter's initial values.
        device: The kind of device, `cpu` or `cuda`.
        world_size: The number of processes. With several processes each one reads only its own
            part of every weight.
    """
    disable_progress_bar()
    place: dict[str, Any] = {"device_map": device}
    if world_size > 1:
        place = {"distributed_config": DistributedConfig(fsdp_size=world_size)}
    model = load_model(base, dtype=getattr(torch, settings.dtype), **place)
    set_seed(seed)
    return add_adapter(model, settings.lora)
