"""Transformers' Trainer with what supervised fine-tuning on responses needs changed.

- The loss is the sum over response tokens, divided by their number in the effective
  batch. Logits are asked for at those positions only; for a long prompt that is most
  of the output layer's work and memory.
- Validation loss is a mean over tokens too, so that both losses compare and neither
  depends on how rows were batched. Measuring it changes nothing of what is trained.
- Checkpoints are made at the end of a step only, when they are due or a stop is
  asked for. (Transformers' own just-in-time checkpoint saves between two
  micro-batches; what resumes from it is another model.)
- A loss that is no number ends training at once.
- Several processes work on the rows of one process's steps, dealt out by `shares`. The
  Trainer averages gradients over processes, so a loss is scaled by their number to be
  their sum; they save and stop at the same step, and their dropout follows step and rank,
  because a checkpoint holds the random numbers' state of the first process only.
"""

from __future__ import annotations

import inspect
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback

from isheep_worker.training.adapter import save_adapter
from isheep_worker.training.best import BestAdapter
from isheep_worker.training.checkpoints import Checkpoints, write_provenance
from isheep_worker.training.collectives import sum_of
from isheep_worker.training.dataset import IGNORED_LABEL
from isheep_worker.training.packing import model_inputs
from isheep_worker.training.sft import diverged
from isheep_worker.training.shares import MicroBatches, Share

Progress = Callable[[int, int, float], None]


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
        best: BestAdapter | None = None,
        together: Callable[[Sequence[bool]], list[bool]] = list,
    ) -> None:
        """`evaluate_every` is in steps, or None where no row is held out.

        `best` holds the best adapter so far, None where the last one is wanted. `together`
        returns for each of some flags whether it is set in any process.
        """
        self._checkpoints = checkpoints
        self._provenance = provenance
        self._stop = stop
        self._clock = clock
        self._checkpoint_seconds = checkpoint_seconds
        self._evaluate_every = evaluate_every
        self._best = best
        self._together = together
        self._saved_at = self._step_began = clock()

    def step_seconds(self) -> float:
        """Return the seconds since the step began."""
        return self._clock() - self._step_began

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Count the time to the next checkpoint from here."""
        self._saved_at = self._clock()

    def on_step_begin(self, args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Count the step's seconds from here; of several processes, begin its random numbers."""
        self._step_began = self._clock()
        if args.world_size > 1:
            drawn = np.random.SeedSequence((args.seed, state.global_step, args.process_index))
            torch.manual_seed(int(drawn.generate_state(1)[0]))

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for what is due. The Trainer then logs, evaluates and saves, in this order,
        so a checkpoint holds its own step's figures and resuming repeats none."""
        finished = state.global_step >= state.max_steps
        if self._evaluate_every is not None:
            control.should_evaluate = finished or state.global_step % self._evaluate_every == 0
        if finished:
            return
        due = self._clock() - self._saved_at >= self._checkpoint_seconds
        stop, due = self._together([self._stop(), due])
        control.should_training_stop = stop
        control.should_save = due or stop

    def on_evaluate(
        self,
        _args: Any,
        state: Any,
        _control: Any,
        *,
        metrics: dict[str, float],
        model: Any,
        **_: Any,
    ) -> None:
        """Hold the adapter if it is the best so far."""
        if self._best is not None:
            self._best.offer(model, state.global_step, metrics["eval_loss"])

    def on_save(self, args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Hand the checkpoint over and delete this copy."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_provenance(folder, self._provenance, state.global_step)
        if self._best is not None:
            self._best.save(folder)
        self._checkpoints.save(folder, state.global_step)
        shutil.rmtree(folder)
        self._saved_at = self._clock()


class ResponseTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """A Trainer over batches of `packing.pack`."""

    control: Any

    def __init__(
        self, *, effective_batch_size: int, pace: Pace, progress: Progress, **arguments: Any
    ) -> None:
        super().__init__(callbacks=[pace], **arguments)
        # Added by the Trainer for want of a progress bar; it prints every log line.
        self.remove_callback(PrinterCallback)
        # `compute_loss` divides by the effective batch's labels, whatever the model does.
        self.model_accepts_loss_kwargs = True
        self._effective_batch_size = effective_batch_size
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
        return self._loss_sum(model, inputs) * self.args.world_size / num_items_in_batch

    def get_train_dataloader(self) -> Any:
        """Return this process's micro-batches, from the order in which one process has them."""
        if self.args.world_size == 1:
            return super().get_train_dataloader()
        order = SeedableRandomSampler(self.train_dataset, data_seed=self.args.data_seed)
        share = self._share(self._effective_batch_size)
        return _EpochLoader(
            self.train_dataset,
            batch_sampler=MicroBatches(order, share),
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return and log `eval_loss`, the mean over all held out response tokens."""
        model = self.model
        model.eval()
        total, labels = 0.0, 0.0
        with torch.no_grad(), self.compute_loss_context_manager():
            for rows in self._held_out():
                batch = self._prepare_inputs(rows)
                total += self._loss_sum(model, batch).item()
                labels += int((batch["labels"] != IGNORED_LABEL).sum())
        if self.args.world_size > 1:
            total, labels = sum_of([total, labels], self.args.device)
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

    def _held_out(self) -> Iterable[dict[str, Any]]:
        # A PyTorch loader would draw a number each time, and how often validation loss is
        # measured would then decide on dropout.
        rows = self.eval_dataset
        share = self._share(len(rows)).of(range(len(rows)))
        return (self.data_collator([rows[index] for index in batch]) for batch in share)

    def _share(self, batch: int) -> Share:
        args = self.args
        return Share(args.world_size, args.process_index, batch, args.per_device_train_batch_size)

    def _loss_sum(self, model: Any, inputs: dict[str, Any]) -> Any:
        next_labels = inputs["labels"][0, 1:]
        positions = (next_labels != IGNORED_LABEL).nonzero().squeeze(-1)
        ids = model_inputs(self.model.get_base_model(), inputs)
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
                changed = step > 1 or name == "eval_loss"
                raise diverged(f"{name} is {logs[name]}", step, steps, changed=changed)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002 (the Trainer's signature)
        # The Trainer's own adds a model card with this machine's paths and pickled arguments.
        save_adapter(self.model, Path(output_dir or self.args.output_dir))


class _EpochLoader(DataLoader):  # type: ignore[misc]  # torch is untyped here
    """A loader whose batches depend on the epoch; the Trainer tells which it is."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.batch_sampler.set_epoch(epoch)
