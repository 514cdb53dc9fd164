"""LoRA fine-tuning on D(t) (§3.3): from rows and a base to the adapter M(t).

The method's numbers come from the run and from nowhere else; the machine decides
only how an effective batch is cut into micro-batches and dealt out to processes, which
changes no result but the order in which floats are added (and, with dropout, which of
its equally likely masks is drawn). Several rows are packed into one sequence, because a
short row alone keeps neither a GPU nor a CPU's cores busy; `tokens_at_once` bounds the
memory whatever the batch, and on GPU activations are recomputed besides.

Several processes share the base: each keeps a part of every weight, on its own device
(FSDP2), so that a model fits that no device could hold. The adapter and its optimizer
are small and whole in each of them, the same everywhere; so a checkpoint and the result
are those of the first process.

With one seed and one D(t) the adapter has the same bytes on CPU, however often
training was stopped on the way. An interrupted run returns like a finished one:
`completed` is what tells them apart.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from isheep.contract.order import Runtime
from isheep.recipes.settings import EVALUATION_STEPS, TrainSettings
from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.training.checkpoints import Checkpoints, provenance, resume_point
from isheep_worker.training.dataset import Split
from isheep_worker.training.shares import even_rows

_LOG = logging.getLogger(__name__)
_GPU_TOKENS_AT_ONCE = 8192
_CPU_TOKENS_AT_ONCE = 2048
_SEED_BITS = 32  # numpy's legacy generator takes no more


class TrainingInputError(ValueError):
    """Training cannot begin with this data on this machine; nothing was loaded."""


class TrainingDivergedError(ValueError):
    """The loss or its gradient is infinite or no number.

    The same rows, settings and seed would end there again, so it is the run's input that
    has to change.
    """


@dataclass(frozen=True, slots=True)
class Machine:
    """What training runs on, as far as it decides how and never what.

    `rank` is this process's number among `world_size`, `local_rank` among those of its node.
    `tokens_at_once` bounds one forward pass; one row always fits.
    """

    device: Literal["cpu", "cuda"]
    world_size: int = 1
    rank: int = 0
    local_rank: int = 0
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
    """How far training came. The adapter exists only where `completed`.

    `adapter_step` is the step after which the adapter was as it is written.
    """

    completed: bool
    step: int
    max_steps: int
    adapter_step: int | None
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
    """Return how to train here: torchrun's variables are read in this place only.

    `memory_reduction` n asks for 1/2^n of the usual tokens at once.
    """
    on_gpu = device == "cuda"
    tokens = _GPU_TOKENS_AT_ONCE if on_gpu else _CPU_TOKENS_AT_ONCE
    return Machine(
        device=device,
        world_size=int(environment.get("WORLD_SIZE", "1")),
        rank=int(environment.get("RANK", "0")),
        local_rank=int(environment.get("LOCAL_RANK", "0")),
        tokens_at_once=tokens >> memory_reduction,
        recompute_activations=on_gpu,
        checkpoint_seconds=checkpoint_seconds,
    )


def this_machine(runtime: Runtime) -> Machine:
    """Return how to train in this process, on the GPU that is its own if it has any."""
    import torch  # noqa: PLC0415 (heavy)

    device: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
    return machine_for(device, os.environ, runtime.checkpoint_seconds, runtime.memory_reduction)


def micro_batch_size(
    effective_batch_size: int, max_length: int, tokens_at_once: int, world_size: int = 1
) -> int:
    """Return the most rows that fit `tokens_at_once`; at least 1.

    In one process they divide the effective batch; of several, each cuts its share evenly.
    """
    fitting = max(1, tokens_at_once // max_length)
    if world_size > 1:
        return even_rows(effective_batch_size, world_size, fitting)
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

    It is the adapter of the step with the lowest validation loss, or of the last one, where
    the settings say so or no row is held out (Appendix E).

    `stop` is asked at the end of every step; once it says yes, a checkpoint is saved
    and the outcome is not `completed`. `progress` gets step, all steps and loss;
    `trained` the complete model with its adapter, set to evaluate, while it is loaded.
    Where there are several processes each calls this, with the same arguments, in a
    process group that exists; they stop at the same step, and the first writes to `out`.

    Raises `TrainingInputError`, `TrainingDivergedError`, `DeviceMemoryError`, and
    whatever `checkpoints` raises.
    """
    _check(data)
    began = clock()
    from isheep_worker.training.adapter import save_adapter  # noqa: PLC0415 (heavy)
    from isheep_worker.training.best import BestAdapter  # noqa: PLC0415 (heavy)
    from isheep_worker.training.build import build_trainer  # noqa: PLC0415 (heavy)
    from isheep_worker.training.collectives import any_of  # noqa: PLC0415 (heavy)
    from isheep_worker.training.trainer import Pace  # noqa: PLC0415 (heavy)

    out.mkdir(parents=True, exist_ok=True)
    here = provenance(machine.world_size, machine.device)
    # Checkpoints pass through the scratch folder on their way to the store.
    with (
        _device_memory_named(settings),
        tempfile.TemporaryDirectory(dir=out, prefix=".checkpoints-") as scratch,
    ):
        evaluate_every = settings.evaluation_steps or EVALUATION_STEPS
        best = BestAdapter()
        pace = Pace(
            checkpoints=checkpoints,
            provenance=here,
            stop=stop,
            clock=clock,
            checkpoint_seconds=machine.checkpoint_seconds,
            evaluate_every=evaluate_every if len(data.validation) else None,
            best=None if settings.checkpoint == "Last" else best,
            together=partial(any_of, device=machine.device) if machine.world_size > 1 else list,
        )
        trainer = build_trainer(
            settings,
            data,
            seed=seed % 2**_SEED_BITS,
            base=base,
            scratch=Path(scratch),
            device=machine.device,
            world_size=machine.world_size,
            rows_at_once=micro_batch_size(
                settings.effective_batch_size,
                settings.max_length,
                machine.tokens_at_once,
                machine.world_size,
            ),
            recompute_activations=machine.recompute_activations,
            pace=pace,
            progress=progress,
        )
        resume = resume_point(checkpoints, here)
        if resume.refused:
            _LOG.warning("training starts again, not from its checkpoint: %s", resume.refused)
            checkpoints.discard()
        if resume.folder is not None:
            best.restore(resume.folder)
        loaded = clock()
        trainer.train(resume_from_checkpoint=str(resume.folder) if resume.folder else None)
        state = trainer.state
        completed = state.global_step >= state.max_steps
        if completed:
            best.give_back(trainer.model)
            if machine.rank == 0:
                save_adapter(trainer.model, out)
            trained(trainer.model.eval())
    return TrainingOutcome(
        completed=completed,
        step=state.global_step,
        max_steps=state.max_steps,
        adapter_step=(best.step or state.max_steps) if completed else None,
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


def _check(data: Split) -> None:
    if len(data.train) == 0:
        raise TrainingInputError(
            "no row is left to train on: D(t) is empty, or every prompt in it fills "
            "training.maxLength; keep more pairs or raise it"
        )


def diverged(what: str, step: int, steps: int, *, changed: bool) -> TrainingDivergedError:
    """Return the error that says at which step training ended, and what to do.

    `changed` tells whether any weight had been changed before.
    """
    advice = (
        "lower training.learningRate or raise training.warmupSteps"
        if changed
        else "nothing was trained before it, so look at the base model: its weights may hold "
        "values that are no numbers, or that engine.dtype cannot hold"
    )
    return TrainingDivergedError(f"training diverged at step {step} of {steps}: {what}; {advice}")


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
