"""The model and the Trainer of one training, put together from the run's settings.

Here stands every argument that is not Transformers' default, next to the number of
the method that it carries. Imported only where training happens: all of this is heavy.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, TrainingArguments, set_seed
from transformers.distributed import DistributedConfig
from transformers.utils.logging import disable_progress_bar

from isheep.recipes.settings import TrainSettings
from isheep_worker.training.dataset import Split
from isheep_worker.training.packing import pack, prepare_packing
from isheep_worker.training.shares import passes
from isheep_worker.training.trainer import Pace, Progress, ResponseTrainer

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
    pace: Pace,
    progress: Progress,
) -> ResponseTrainer:
    """Load the base in `base` with a fresh adapter and return its Trainer.

    `rows_at_once` divides the effective batch, or of `world_size` processes the share of
    each; it becomes 1 where the architecture cannot be packed. `scratch` is where
    checkpoints are written before they are saved.
    """
    model = load_for_training(settings, base, seed, device, world_size)
    if rows_at_once > 1 and not prepare_packing(model.get_base_model()):
        _LOG.warning("this architecture does not keep packed rows apart: training row by row")
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
        # `Pace` evaluates and saves, at the end of a step; the log has every step.
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
    # The Trainer of one process would spread a micro-batch over every GPU that it sees.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return ResponseTrainer(
        model=model,
        args=arguments,
        data_collator=pack,
        train_dataset=data.train,
        eval_dataset=data.validation,
        effective_batch_size=settings.effective_batch_size,
        pace=pace,
        progress=progress,
    )


def load_for_training(
    settings: TrainSettings, base: Path, seed: int, device: str, world_size: int = 1
) -> Any:
    """Return the base, frozen, with a fresh adapter on all linear layers but the output's.

    The adapter is in float32 whatever the base's dtype; its values follow the seed. Of
    several processes each reads its part of every weight of the base, and nothing else.
    """
    disable_progress_bar()
    place: dict[str, Any] = {"device_map": device}
    if world_size > 1:
        place = {"distributed_config": DistributedConfig(fsdp_size=world_size)}
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=getattr(torch, settings.dtype),
        **place,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    )
    set_seed(seed)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora.r,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        target_modules="all-linear",
        bias="none",
    )
    return get_peft_model(model, lora)
