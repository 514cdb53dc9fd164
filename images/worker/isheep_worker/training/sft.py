"""LoRA fine-tuning on D(t) (§3.3): from rows and a base to the adapter M(t).

The method's numbers come from the run and from nowhere else; the machine decides
only how an effective batch is cut into micro-batches, which changes no result but
the order in which floats are added (and, with dropout, which of its equally
likely masks is drawn). On CPU rows go one by one, which wastes nothing there; on
GPU several are packed into one sequence and activations are recomputed, so that
memory is bounded by `tokens_at_once` whatever the batch.

With one seed and one D(t) the adapter has the same bytes on CPU, however often
training was stopped on the way. An interrupted run returns like a finished one:
`completed` is what tells them apart.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

from isheep.recipes.settings import TrainSettings
from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.training.checkpoints import Checkpoints, provenance, resume_point
from isheep_worker.training.dataset import Split

_LOG = logging.getLogger(__name__)
_GPU_TOKENS_AT_ONCE = 8192
_SEED_BITS = 32  # numpy's legacy generator takes no more


class TrainingInputError(ValueError):
    """Training cannot begin with this data on this machine; nothing was loaded."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What training runs on, as far as it decides how and never what.

    `tokens_at_once` bounds one forward pass; one row always fits.
    """

    device: Literal["cpu", "cuda"]
    world_size: int = 1
    tokens_at_once: int = 0
    recompute_activations: bool = False
    checkpoint_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class LogRow:
    """One step: mean loss over the batch's response tokens, the learning rate used, the
    gradient's norm before clipping, seconds, and the validation loss where it was asked."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    seconds: float
    eval_loss: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """How far training came. The adapter exists only where `completed`."""

    completed: bool
    step: int
    max_steps: int
    log: tuple[LogRow, ...]
    micro_batch_size: int
    resumed_from: int | None
    restarted_because: str | None
    load_seconds: float
    train_seconds: float


def machine_for(
    device: Literal["cpu", "cuda"],
    environment: Mapping[str, str],
    checkpoint_seconds: float = 600.0,
    memory_reduction: int = 0,
) -> Machine:
    """Return how to train here: torchrun's `WORLD_SIZE` is read in this place only.

    `memory_reduction` n asks for 1/2^n of the usual tokens at once.
    """
    on_gpu = device == "cuda"
    return Machine(
        device=device,
        world_size=int(environment.get("WORLD_SIZE", "1")),
        tokens_at_once=_GPU_TOKENS_AT_ONCE >> memory_reduction if on_gpu else 0,
        recompute_activations=on_gpu,
        checkpoint_seconds=checkpoint_seconds,
    )


def micro_batch_size(effective_batch_size: int, max_length: int, tokens_at_once: int) -> int:
    """Return the most rows that divide the effective batch and fit `tokens_at_once`; at least 1."""
    fitting = max(1, tokens_at_once // max_length)
    return max(
        rows
        for rows in range(1, min(fitting, effective_batch_size) + 1)
        if effective_batch_size % rows == 0
    )


def train(
    settings: TrainSettings,
    data: Split,
    *,
    seed: int,
    base: Path,
    out: Path,
    machine: Machine,
    checkpoints: Checkpoints,
    stop: Callable[[], bool],
    progress: Callable[[int, int, float], None],
    trained: Callable[[Any], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> TrainingOutcome:
    """Train an adapter for the model in `base` and, when it is complete, write it to `out`.

    `stop` is asked at the end of every step; once it says yes, a checkpoint is saved
    and the outcome is not `completed`. `progress` gets step, all steps and loss;
    `trained` the complete model with its adapter, set to evaluate, while it is loaded.

    Raises `TrainingInputError`, `TrainingDivergedError`, `DeviceMemoryError`, and
    whatever `checkpoints` raises.
    """
    _check(data, machine)
    began = clock()
    from isheep_worker.training.adapter import save_adapter  # noqa: PLC0415 (heavy)
    from isheep_worker.training.build import build_trainer  # noqa: PLC0415 (heavy)
    from isheep_worker.training.trainer import Pace  # noqa: PLC0415 (heavy)

    out.mkdir(parents=True, exist_ok=True)
    here = provenance(machine.world_size, machine.device)
    # Checkpoints pass through the scratch folder on their way to the store.
    with (
        _device_memory_named(settings),
        tempfile.TemporaryDirectory(dir=out, prefix=".checkpoints-") as scratch,
    ):
        steps_an_epoch = ceil(len(data.train) / settings.effective_batch_size)
        pace = Pace(
            checkpoints=checkpoints,
            provenance=here,
            stop=stop,
            clock=clock,
            checkpoint_seconds=machine.checkpoint_seconds,
            evaluate_every=steps_an_epoch if len(data.validation) else None,
        )
        trainer = build_trainer(
            settings,
            data,
            seed=seed % 2**_SEED_BITS,
            base=base,
            scratch=Path(scratch),
            device=machine.device,
            rows_at_once=micro_batch_size(
                settings.effective_batch_size, settings.max_length, machine.tokens_at_once
            ),
            recompute_activations=machine.recompute_activations,
            pace=pace,
            progress=progress,
        )
        resume = resume_point(checkpoints, here)
        if resume.refused:
            _LOG.warning("training starts again, not from its checkpoint: %s", resume.refused)
            checkpoints.discard()
        loaded = clock()
        trainer.train(resume_from_checkpoint=str(resume.folder) if resume.folder else None)
        state = trainer.state
        completed = state.global_step >= state.max_steps
        if completed:
            save_adapter(trainer.model, out)
            trained(trainer.model.eval())
    return TrainingOutcome(
        completed=completed,
        step=state.global_step,
        max_steps=state.max_steps,
        log=log_rows(state.log_history),
        micro_batch_size=trainer.args.per_device_train_batch_size,
        resumed_from=resume.step,
        restarted_because=resume.refused,
        load_seconds=loaded - began,
        train_seconds=clock() - loaded,
    )


@contextmanager
def _device_memory_named(settings: TrainSettings) -> Iterator[None]:
    import torch  # noqa: PLC0415 (heavy)

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"the device's memory does not hold training on rows of {settings.max_length} "
            "tokens: lower training.maxLength or use a larger GPU"
        ) from error


def _check(data: Split, machine: Machine) -> None:
    if machine.world_size != 1:
        raise TrainingInputError(
            f"WORLD_SIZE is {machine.world_size}: training runs in one process; start one worker"
        )
    if len(data.train) == 0:
        raise TrainingInputError(
            "no row is left to train on: D(t) is empty, or every prompt in it fills "
            "training.maxLength; keep more pairs or raise it"
        )


def log_rows(history: Sequence[Mapping[str, float]]) -> tuple[LogRow, ...]:
    """Return the Trainer's log as one row a step, validation losses at their steps."""
    losses = {int(entry["step"]): entry["eval_loss"] for entry in history if "eval_loss" in entry}
    return tuple(
        LogRow(
            step=int(entry["step"]),
            loss=entry["loss"],
            learning_rate=entry["learning_rate"],
            grad_norm=entry["grad_norm"],
            seconds=entry["seconds"],
            eval_loss=losses.get(int(entry["step"])),
        )
        for entry in history
        if "loss" in entry
    )
