"""Transformers' Trainer, changed for supervised fine-tuning on responses (§3.3).

- The loss is the sum over response tokens, divided by their number in the effective batch.
  Logits are computed at those positions only. For a long prompt this saves most of the output
  layer's time and memory.
- The validation loss is also a mean over tokens. So both losses are comparable, and neither
  depends on how rows are batched. An evaluation does not change what is trained.
- A loss that is NaN or infinite ends training at once.
- Several processes train on the rows that one process would train on in each step
  (`batch_sharding`). The Trainer averages gradients over processes, so each loss is scaled by
  the number of processes and the average becomes a sum. All processes save and stop at the
  same step (`step_schedule`).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_callback import PrinterCallback

from isheep_worker.training.adapter import save_adapter
from isheep_worker.training.batch_sharding import BatchShare, MicroBatchSampler
from isheep_worker.training.collectives import sum_of
from isheep_worker.training.dataset import IGNORED_LABEL
from isheep_worker.training.outcome import diverged
from isheep_worker.training.packing import model_inputs
from isheep_worker.training.step_schedule import StepSchedule

ProgressReport = Callable[[int, int, float], None]
"""Gets the step, the number of steps of the training, and the step's loss."""


class ResponseTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """A Trainer over batches of `packing.pack`."""

    control: Any

    def __init__(
        self,
        *,
        effective_batch_size: int,
        schedule: StepSchedule,
        progress: ProgressReport,
        **arguments: Any,
    ) -> None:
        """Create the Trainer.

        Args:
            effective_batch_size: Rows of one optimizer step, over all processes.
            schedule: Evaluates, saves and stops at the end of a step.
            progress: Called once a step.
            **arguments: The arguments of Transformers' Trainer.
        """
        super().__init__(callbacks=[schedule], **arguments)
        # Without a progress bar the Trainer adds this callback, which prints every log entry.
        self.remove_callback(PrinterCallback)
        # `compute_loss` divides by the number of labels in the effective batch for every model.
        self.model_accepts_loss_kwargs = True
        self._effective_batch_size = effective_batch_size
        self._schedule = schedule
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
        """Return a micro-batch's part of the mean loss over the effective batch's labels.

        Args:
            model: The model, which may be wrapped for several processes.
            inputs: A batch of `packing.pack` on the model's device.
            return_outputs: Ignored.
            num_items_in_batch: The number of labels in the effective batch, over all processes.

        Returns:
            The loss in nats, a scalar tensor.
        """
        return self._loss_sum(model, inputs) * self.args.world_size / num_items_in_batch

    def get_train_dataloader(self) -> Any:
        """Return the micro-batches of this process, in the order that one process would use."""
        if self.args.world_size == 1:
            return super().get_train_dataloader()
        order = SeedableRandomSampler(self.train_dataset, data_seed=self.args.data_seed)
        share = self._share(self._effective_batch_size)
        return _EpochLoader(
            self.train_dataset,
            batch_sampler=MicroBatchSampler(order, share),
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure and log the validation loss.

        Returns:
            `eval_loss`, the mean cross-entropy in nats over the response tokens of all
            validation rows, the same in all processes.
        """
        model = self.model
        model.eval()
        total, labels = 0.0, 0.0
        with torch.no_grad(), self.compute_loss_context_manager():
            for rows in self._validation_batches():
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
        """Record the figures of one step and report progress.

        Raises:
            TrainingDivergedError: A loss or the gradient's norm is NaN or infinite.
        """
        step, steps = self.state.global_step, self.state.max_steps
        self._check_finite(logs, step, steps)
        if "loss" in logs:
            logs["seconds"] = self._schedule.step_seconds()
            self._progress(step, steps, logs["loss"])
        super().log(logs, start_time)

    def _validation_batches(self) -> Iterable[dict[str, Any]]:
        # A PyTorch loader would draw a random number for each evaluation. The number of
        # evaluations would then change the dropout.
        rows = self.eval_dataset
        share = self._share(len(rows)).of(range(len(rows)))
        return (self.data_collator([rows[index] for index in batch]) for batch in share)

    def _share(self, batch: int) -> BatchShare:
        args = self.args
        return BatchShare(
            args.world_size, args.process_index, batch, args.per_device_train_batch_size
        )

    def _loss_sum(self, model: Any, inputs: dict[str, Any]) -> Any:
        """Return the sum of the cross-entropy over a batch's labels, a float32 scalar."""
        next_labels = inputs["labels"][0, 1:]
        positions = (next_labels != IGNORED_LABEL).nonzero().squeeze(-1)
        ids = model_inputs(self.model.get_base_model(), inputs)
        if self._selects_logits:
            logits = model(**ids, use_cache=False, logits_to_keep=positions).logits[0]
        else:
            logits = model(**ids, use_cache=False).logits[0, positions]
        return cross_entropy(logits.float(), next_labels[positions], reduction="sum")

    def _check_finite(self, logs: dict[str, float], step: int, steps: int) -> None:
        watched = ["loss", "eval_loss"]
        if not self.args.fp16:
            # With float16 the gradient scaler skips a step with an infinite gradient.
            watched.append("grad_norm")
        for name in watched:
            if not math.isfinite(logs.get(name, 0.0)):
                changed = step > 1 or name == "eval_loss"
                raise diverged(f"{name} is {logs[name]}", step, steps, changed=changed)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002 (the Trainer's signature)
        # The Trainer's own method adds a model card with this machine's paths, and pickles.
        save_adapter(self.model, Path(output_dir or self.args.output_dir))


class _EpochLoader(DataLoader):  # type: ignore[misc]  # torch is untyped here
    """A loader whose batches depend on the epoch, which the Trainer sets."""

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch."""
        self.batch_sampler.set_epoch(epoch)
