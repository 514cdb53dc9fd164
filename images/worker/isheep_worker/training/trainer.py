"""Transformers' Trainer with what supervised fine-tuning on responses needs changed.

- The loss is the sum over response tokens, divided by their number in the effective
  batch. Logits are asked for at those positions only; for a long prompt that is most
  of the output layer's work and memory.
- Validation loss is a mean over tokens too, so that both losses compare and neither
  depends on how rows were batched.
- Checkpoints are made at the end of a step only, when they are due or a stop is
  asked for. (Transformers' own just-in-time checkpoint saves between two
  micro-batches; what resumes from it is another model.)
- A loss that is no number ends training at once.
"""

from __future__ import annotations

import inspect
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback

from isheep_worker.training.adapter import save_adapter
from isheep_worker.training.checkpoints import Checkpoints, write_provenance
from isheep_worker.training.dataset import IGNORED_LABEL

Progress = Callable[[int, int, float], None]


class TrainingDivergedError(RuntimeError):
    """The loss or its gradient is infinite or no number; training cannot go on."""


class Pace(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
    """Decides at the end of each step whether to evaluate, to save, to stop."""

    def __init__(
        self,
        *,
        checkpoints: Checkpoints,
        provenance: dict[str, Any],
        stop: Callable[[], bool],
        clock: Callable[[], float],
        checkpoint_seconds: float,
        evaluate_every: int | None,
    ) -> None:
        """`evaluate_every` is an epoch's steps, or None where no row is held out."""
        self._checkpoints = checkpoints
        self._provenance = provenance
        self._stop = stop
        self._clock = clock
        self._checkpoint_seconds = checkpoint_seconds
        self._evaluate_every = evaluate_every
        self._saved_at = self._step_began = clock()

    def step_seconds(self) -> float:
        """Return the seconds since the step began."""
        return self._clock() - self._step_began

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Count the time to the next checkpoint from here."""
        self._saved_at = self._clock()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Count the step's seconds from here."""
        self._step_began = self._clock()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for what is due. The Trainer then logs, evaluates and saves, in this order,
        so a checkpoint holds its own step's figures and resuming repeats none."""
        finished = state.global_step >= state.max_steps
        if self._evaluate_every is not None:
            control.should_evaluate = finished or state.global_step % self._evaluate_every == 0
        if finished:
            return
        control.should_training_stop = self._stop()
        due = self._clock() - self._saved_at >= self._checkpoint_seconds
        control.should_save = due or control.should_training_stop

    def on_save(self, args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Hand the checkpoint over and delete this copy."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_provenance(folder, self._provenance, state.global_step)
        self._checkpoints.save(folder, state.global_step)
        shutil.rmtree(folder)
        self._saved_at = self._clock()


class ResponseTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """A Trainer over batches of `packing.pack`."""

    control: Any

    def __init__(self, *, pace: Pace, progress: Progress, **arguments: Any) -> None:
        super().__init__(callbacks=[pace], **arguments)
        # Added by the Trainer for want of a progress bar; it prints every log line.
        self.remove_callback(PrinterCallback)
        # `compute_loss` divides by the effective batch's labels, whatever the model does.
        self.model_accepts_loss_kwargs = True
        self._pace = pace
        self._progress = progress
        parameters = inspect.signature(self.model.get_base_model().forward).parameters
        self._selects_logits = "logits_to_keep" in parameters

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: ARG002 (the Trainer's signature)
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return this micro-batch's share of the mean loss over the effective batch's labels."""
        return self._loss_sum(model, inputs) / num_items_in_batch

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return and log `eval_loss`, the mean over all held out response tokens."""
        model = self.model
        model.eval()
        total, labels = 0.0, 0
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in self.get_eval_dataloader():
                total += self._loss_sum(model, batch).item()
                labels += int((batch["labels"] != IGNORED_LABEL).sum())
        metrics = {"eval_loss": total / labels}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Record one step's figures and report progress; raises `TrainingDivergedError`."""
        step, steps = self.state.global_step, self.state.max_steps
        self._refuse_divergence(logs, step, steps)
        if "loss" in logs:
            logs["seconds"] = self._pace.step_seconds()
            self._progress(step, steps, logs["loss"])
        super().log(logs, start_time)

    def _loss_sum(self, model: Any, inputs: dict[str, Any]) -> Any:
        next_labels = inputs["labels"][0, 1:]
        positions = (next_labels != IGNORED_LABEL).nonzero().squeeze(-1)
        ids = {name: value for name, value in inputs.items() if name != "labels"}
        if self._selects_logits:
            logits = model(**ids, use_cache=False, logits_to_keep=positions).logits[0]
        else:
            logits = model(**ids, use_cache=False).logits[0, positions]
        return cross_entropy(logits.float(), next_labels[positions], reduction="sum")

    def _refuse_divergence(self, logs: dict[str, float], step: int, steps: int) -> None:
        watched = ["loss", "eval_loss"]
        if not self.args.fp16:
            # Under float16 the gradient scaler skips such steps and goes on.
            watched.append("grad_norm")
        for name in watched:
            if not math.isfinite(logs.get(name, 0.0)):
                raise TrainingDivergedError(
                    f"training diverged at step {step} of {steps}: {name} is {logs[name]}; "
                    "lower training.learningRate or raise training.warmupSteps"
                )

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002 (the Trainer's signature)
        # The Trainer's own adds a model card with this machine's paths and pickled arguments.
        save_adapter(self.model, Path(output_dir or self.args.output_dir))
