"""LoRA fine-tuning on D(t) (§3.3): from rows and a base model to the adapter of M(t).

The run's settings determine the method's numbers. The machine determines only how an effective
batch is divided into micro-batches and among processes. This division changes the order in
which floats are added and, with dropout, which of the equally likely masks is drawn; it changes
nothing else. Several rows are packed into one sequence, because a single short row keeps neither
a GPU nor the cores of a CPU busy. `tokens_at_once` limits the memory for any batch size. On a GPU,
activations are computed twice only if they do not fit (`memory_plan`).

Several processes share the base: each keeps a part of every weight on its device (FSDP2), so a
model may be larger than the memory of one device. The adapter and its optimizer are small. Each
process has a complete copy, identical in all of them, so a checkpoint and the result are those
of the first process.

On a CPU, one seed and one D(t) give an adapter with the same bytes, even if training was
interrupted several times. An interrupted training returns an outcome too, which is not
`completed`.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from isheep.contract.choices import EVALUATION_STEPS
from isheep.recipes.settings import TrainSettings
from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.training.checkpoints import Checkpoints, provenance, resume_point
from isheep_worker.training.dataset import Split
from isheep_worker.training.machine import Machine
from isheep_worker.training.outcome import TrainingInputError, TrainingOutcome, log_rows

_LOG = logging.getLogger(__name__)
_SEED_BITS = 32  # numpy's legacy generator accepts no larger seed


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
    on_completion: Callable[[Any], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> TrainingOutcome:
    """Train an adapter for a base model and write it when the training is complete.

    The written adapter is the one with the lowest validation loss (Appendix E). It is the one
    of the last step if `settings.checkpoint` is `Last` or no row is held out.

    With several processes, each one calls this function with the same arguments in an existing
    process group. All of them stop at the same step, and the first one writes to `out`.

    Args:
        settings: The training's settings (Appendix E).
        data: The rows to train on and the validation rows.
        seed: The seed of the adapter's initial values, the rows' order and the dropout; its low
            32 bits are used.
        base: The folder of the model to start from.
        out: The folder to write the adapter into. It is created if it does not exist.
        machine: The device, the rank and the memory limits of this process.
        checkpoints: The stored checkpoints of this training.
        stop: Returns whether training has to stop. It is called at the end of each step; if it
            returns True, a checkpoint is saved and the outcome is not `completed`.
        progress: Called after each step with the step, the number of steps and the loss in nats
            a token.
        on_completion: Called with the complete model and its adapter, in evaluation mode, before
            the model is freed.
        clock: Returns a monotonic time in seconds.

    Returns:
        The outcome with one log row a step.

    Raises:
        TrainingInputError: No row is left to train on. No model was loaded.
        TrainingDivergedError: A loss or the gradient's norm is NaN or infinite.
        DeviceMemoryError: A micro-batch does not fit the device's memory.
        StoreError: The checkpoints cannot be read or stored.
    """
    _check(data)
    began = clock()
    from isheep_worker.training.adapter import save_adapter  # noqa: PLC0415 (heavy)
    from isheep_worker.training.best_adapter import BestAdapter  # noqa: PLC0415 (heavy)
    from isheep_worker.training.collectives import any_of  # noqa: PLC0415 (heavy)
    from isheep_worker.training.step_schedule import StepSchedule  # noqa: PLC0415 (heavy)
    from isheep_worker.training.trainer_setup import build_trainer  # noqa: PLC0415 (heavy)

    out.mkdir(parents=True, exist_ok=True)
    here = provenance(machine.world_size, machine.device)
    # The Trainer writes each checkpoint into the scratch folder; the callback stores it from there.
    with (
        _device_memory_errors(settings),
        tempfile.TemporaryDirectory(dir=out, prefix=".checkpoints-") as scratch,
    ):
        evaluate_every = settings.evaluation_steps or EVALUATION_STEPS
        best = BestAdapter()
        schedule = StepSchedule(
            checkpoints=checkpoints,
            provenance=here,
            stop=stop,
            clock=clock,
            checkpoint_seconds=machine.checkpoint_seconds,
            evaluate_every=evaluate_every if len(data.validation) else None,
            best=None if settings.checkpoint == "Last" else best,
            any_process=partial(any_of, device=machine.device) if machine.world_size > 1 else list,
        )
        trainer = build_trainer(
            settings,
            data,
            seed=seed % 2**_SEED_BITS,
            base=base,
            scratch=Path(scratch),
            machine=machine,
            schedule=schedule,
            progress=progress,
        )
        resume = resume_point(checkpoints, here)
        if resume.refused:
            _LOG.warning("training starts again without its checkpoint: %s", resume.refused)
            checkpoints.discard()
        if resume.folder is not None:
            best.restore(resume.folder)
        loaded = clock()
        trainer.train(resume_from_checkpoint=str(resume.folder) if resume.folder else None)
        state = trainer.state
        completed = state.global_step >= state.max_steps
        if completed:
            best.copy_to(trainer.model)
            if machine.rank == 0:
                save_adapter(trainer.model, out)
            on_completion(trainer.model.eval())
    return TrainingOutcome(
        completed=completed,
        step=state.global_step,
        max_steps=state.max_steps,
        adapter_step=(best.step or state.max_steps) if completed else None,
        log=log_rows(state.log_history),
        tokens_at_once=trainer.tokens_at_once,
        recomputes_activations=trainer.args.gradient_checkpointing,
        resumed_from=resume.step,
        restarted_because=resume.refused,
        load_seconds=loaded - began,
        train_seconds=clock() - loaded,
    )


@contextmanager
def _device_memory_errors(settings: TrainSettings) -> Iterator[None]:
    """Raise `DeviceMemoryError` for PyTorch's error of the same meaning."""
    import torch  # noqa: PLC0415 (heavy)

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"training on rows of {settings.max_length} tokens does not fit the device's memory: "
            "lower training.maxLength or use a larger GPU"
        ) from error


def _check(data: Split) -> None:
    if len(data.train) == 0:
        raise TrainingInputError(
            "no row is left to train on, because D(t) is empty or every prompt in it fills "
            "training.maxLength: keep more pairs or raise training.maxLength"
        )
