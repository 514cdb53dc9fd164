"""How a training ends: its outcome with one log row a step, or one of two errors.

Everything that trains or reports on a training needs these types, so the module imports
nothing that is heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isheep.contract.reasons import Reason
from isheep_worker.runtime.errors import WorkerError


class TrainingInputError(WorkerError, ValueError):
    """The data cannot be trained on. The error is raised before a model is loaded."""

    reason = Reason.BAD_TRAINING_DATA


class TrainingDivergedError(WorkerError, ValueError):
    """The loss or its gradient is NaN or infinite.

    The same rows, settings and seed diverge again, so a retry is useless and the run's
    input has to change.
    """

    reason = Reason.TRAINING_DIVERGED


@dataclass(frozen=True, slots=True)
class LogRow:
    """The figures of one optimizer step.

    `loss` is the mean cross-entropy in nats over the response tokens of the effective batch,
    `learning_rate` the rate of this step, `grad_norm` the gradient's norm before clipping,
    `seconds` the duration of the step. `eval_loss` is the validation loss in nats a token, or
    None if the step was not evaluated.
    """

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    seconds: float
    eval_loss: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """The end of one attempt to train. An adapter is written only if `completed`.

    `step` of `max_steps` optimizer steps are done. `adapter_step` is the step whose adapter
    was written. `resumed_from` is the step of the checkpoint that the attempt resumed from,
    and `restarted_because` the reason for not using a stored checkpoint; both are None if there
    was no checkpoint. `tokens_at_once` is the limit of a micro-batch, and 0 if each row was trained
    on alone. `recomputes_activations` is True if activations were computed twice.
    """

    completed: bool
    step: int
    max_steps: int
    adapter_step: int | None
    log: tuple[LogRow, ...]
    tokens_at_once: int
    recomputes_activations: bool
    resumed_from: int | None
    restarted_because: str | None
    load_seconds: float
    train_seconds: float


def diverged(what: str, step: int, steps: int, *, changed: bool) -> TrainingDivergedError:
    """Return the error that names the step at which training diverged, and the remedy.

    Args:
        what: The figure that is not finite, with its value.
        step: The step at which the figure was seen.
        steps: The number of steps of the whole training.
        changed: Whether an earlier optimizer step has changed the adapter. If not, the base
            model itself causes the value.
    """
    advice = (
        "lower training.learningRate or raise training.warmupSteps"
        if changed
        else "no step has changed the adapter yet, so check the base model: its weights may hold "
        "NaN or infinite values, or values that engine.dtype cannot represent"
    )
    return TrainingDivergedError(f"training diverged at step {step} of {steps}: {what}; {advice}")


def log_rows(history: Sequence[Mapping[str, float]]) -> tuple[LogRow, ...]:
    """Return the Trainer's log as one row a step, each validation loss in its step's row.

    Args:
        history: The entries of `TrainerState.log_history`. Entries without a training loss,
            such as the summary at the end, make no row.
    """
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


def training_loss(log: Sequence[LogRow], adapter_step: int) -> float:
    """Return the training loss that can be shown next to the validation loss of M(t).

    Args:
        log: A row for each step, in order.
        adapter_step: The step whose adapter is M(t).

    Returns:
        The mean loss over the steps up to the adapter's, since the measurement of the validation
        loss before it. A mean over all steps would contain steps after M(t).
    """
    before = [row.step for row in log if row.eval_loss is not None and row.step < adapter_step]
    since = max(before, default=0)
    losses = [row.loss for row in log if since < row.step <= adapter_step]
    return sum(losses) / len(losses)
