"""Builds the model and the Trainer of one training from the run's settings.

Every argument that differs from Transformers' default is in this module, next to the setting
that determines it.
"""

from __future__ import annotations

import logging
from math import ceil, prod
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, set_seed
from transformers.distributed import DistributedConfig
from transformers.utils.logging import disable_progress_bar

from isheep.recipes.settings import TrainSettings
from isheep_worker.engines.causal_model import load_model
from isheep_worker.training.collectives import least_of
from isheep_worker.training.dataset import Split
from isheep_worker.training.machine import Machine
from isheep_worker.training.memory_plan import Memory, MemoryPlan, plan_memory, shape_of
from isheep_worker.training.packing import pack, prepare_packing
from isheep_worker.training.step_schedule import StepSchedule
from isheep_worker.training.targets import adapted_weights, add_adapter
from isheep_worker.training.trainer import ProgressReport, ResponseTrainer

_LOG = logging.getLogger(__name__)


def build_trainer(
    settings: TrainSettings,
    data: Split,
    *,
    seed: int,
    base: Path,
    scratch: Path,
    machine: Machine,
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
        machine: The device, the rank and the memory limits of this process. Each row is trained on
            alone if the model's architecture cannot keep packed rows apart.
        schedule: Evaluates, saves and stops at the end of a step.
        progress: Called once a step.
    """
    device = machine.device
    model = load_for_training(settings, base, seed, device, machine.world_size)
    tokens_at_once = machine.tokens_at_once
    if tokens_at_once and not prepare_packing(model.get_base_model()):
        _LOG.warning(
            "this architecture does not keep packed rows apart: training with one row at a time"
        )
        tokens_at_once = 0
    plan = MemoryPlan(tokens_at_once, machine.recompute_activations)
    if device == "cuda":
        plan = plan_for_gpu(model, data, plan, machine.world_size)
    arguments = TrainingArguments(
        output_dir=str(scratch),
        seed=seed,
        data_seed=seed,
        use_cpu=device == "cpu",
        bf16=settings.dtype == "bfloat16",
        fp16=settings.dtype == "float16",
        # A batch of the loader is a step; `ResponseTrainer` cuts it into micro-batches.
        per_device_train_batch_size=ceil(settings.effective_batch_size / machine.world_size),
        gradient_accumulation_steps=1,
        gradient_checkpointing=plan.recomputes,
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
        tokens_at_once=plan.tokens_at_once,
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


def memory_of(model: Any, free: int, world_size: int) -> Memory:
    """Return the memory for the training of a loaded model with its adapter.

    Args:
        model: The model with its adapter, as `load_for_training` returns it.
        free: The free bytes of the device.
        world_size: The number of processes over which the model is sharded.
    """
    base = model.get_base_model()
    element = base.dtype.itemsize
    gathered = 0
    if world_size > 1:
        shape = shape_of(base.config)
        weights = sum(weight.numel() for weight in base.parameters())
        # The present layer, the next one, and the output head.
        gathered = element * (2 * weights // shape.layers + shape.vocabulary * shape.hidden)
    return Memory(
        free=free,
        trained=sum(weight.numel() for weight in base.parameters() if weight.requires_grad),
        rebuilt=element
        * sum(
            prod(weight.shape)
            for weight in adapted_weights(model).values()
            if hasattr(weight.layer, "parameter_name")
        ),
        gathered=gathered,
    )


def plan_for_gpu(model: Any, data: Split, limits: MemoryPlan, world_size: int) -> MemoryPlan:
    """Return the plan for the memory of the GPUs, the same in all processes.

    If one process computed activations twice and another did not, each would wait for layers that
    the other one does not send.
    """
    free, _ = torch.cuda.mem_get_info()
    # PyTorch has reserved this memory and does not use it.
    free += torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    if world_size > 1:
        free = least_of(free, "cuda")
    base = model.get_base_model()
    plan = plan_memory(
        shape_of(base.config),
        memory_of(model, free, world_size),
        longest=max(int(rows.lengths.max(initial=1)) for rows in (data.train, data.validation)),
        most=limits.tokens_at_once,
        element=base.dtype.itemsize,
        always_recompute=limits.recomputes,
    )
    _LOG.info(
        "a micro-batch has up to %d tokens, and activations are computed %s: the device has %.1f "
        "GiB of free memory",
        plan.tokens_at_once,
        "twice" if plan.recomputes else "once",
        free / 2**30,
    )
    return plan
