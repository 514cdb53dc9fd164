"""Transformers' Trainer, changed for supervised fine-tuning on responses (§3.3).

- The loss is the sum over response tokens, divided by their number in the effective batch.
  Logits are computed at those positions only. For a long prompt this saves most of the output
  layer's time and memory.
- The validation loss is also a mean over tokens. So both losses are comparable, and neither
  depends on how rows are batched. An evaluation does not change what is trained.
- A loss that is NaN or infinite ends training at once.
- A batch of the Trainer is an optimizer step with all its micro-batches, because their number
  depends on the lengths of the step's rows (`batch_sharding`). The Trainer's own accumulation needs
  the same number in every step.
- Several processes train on the rows that one process would train on in each step. The Trainer
  averages gradients over processes, so each loss is scaled by the number of processes and the
  average becomes a sum. All processes save and stop at the same step (`step_schedule`).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_callback import PrinterCallback

from isheep_worker.training.adapter import save_adapter
from isheep_worker.training.batch_sharding import BatchShare, StepSampler
from isheep_worker.training.collectives import sum_of
from isheep_worker.training.dataset import IGNORED_LABEL, TrainingRows
from isheep_worker.training.outcome import diverged
from isheep_worker.training.packing import model_inputs
from isheep_worker.training.step_schedule import StepSchedule

ProgressReport = Callable[[int, int, float], None]
"""Gets the step, the number of steps of the training, and the step's loss."""


_MICRO_BATCHES = "micro_batches"


class ResponseTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """A Trainer over steps of micro-batches of `packing.pack`."""

    control: Any

    def __init__(
        self,
        *,
        effective_batch_size: int,
        tokens_at_once: int,
        schedule: StepSchedule,
        progress: ProgressReport,
        **arguments: Any,
    ) -> None:
        """Create the Trainer.

        Args:
            effective_batch_size: Rows of one optimizer step, over all processes.
            tokens_at_once: Maximum number of tokens in a micro-batch; with 0, each row is one.
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
        self.tokens_at_once = tokens_at_once
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

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> Any:
        """Add up the gradients of this process's micro-batches of one step.

        Returns:
            This process's part of the mean loss over the effective batch's labels, a scalar tensor.
        """
        loss: Any = 0.0
        micro_batches = inputs[_MICRO_BATCHES]
        for number, batch in enumerate(micro_batches, start=1):
            # The processes add up their gradients once, after the last micro-batch.
            self.accelerator.gradient_state._set_sync_gradients(number == len(micro_batches))
            loss += super().training_step(model, batch, num_items_in_batch)
        return loss

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:  # noqa: ARG002 (the Trainer's signature)
        """Return 0: the Trainer would estimate them from a single sequence."""
        return 0

    def get_train_dataloader(self) -> Any:
        """Return the steps with this process's micro-batches, for any number of processes."""
        order = SeedableRandomSampler(self.train_dataset, data_seed=self.args.data_seed)
        share = self._share(self.train_dataset)
        return _EpochLoader(
            _Packed(self.train_dataset, self.data_collator),
            batch_sampler=StepSampler(order, share, self._effective_batch_size),
            collate_fn=_step,
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
        packed = _Packed(rows, self.data_collator)
        return (packed[batch] for batch in self._share(rows).of(range(len(rows))))

    def _share(self, rows: TrainingRows) -> BatchShare:
        args = self.args
        return BatchShare(args.world_size, args.process_index, rows.lengths, self.tokens_at_once)

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


class _Packed:
    """Micro-batches as a data set: its index is the indices of a micro-batch's rows."""

    def __init__(self, rows: TrainingRows, pack: Callable[[list[Any]], dict[str, Any]]) -> None:
        self._rows = rows
        self._pack = pack

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, indices: Sequence[int]) -> dict[str, Any]:
        return self._pack([self._rows[index] for index in indices])


def _step(micro_batches: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the batch of a step. The Trainer counts the labels of the batch."""
    labels = torch.cat([batch["labels"].flatten() for batch in micro_batches])
    return {"labels": labels.unsqueeze(0), _MICRO_BATCHES: micro_batches}


class _EpochLoader(DataLoader):  # type: ignore[misc]  # torch is untyped here
    """A loader whose batches depend on the epoch, which the Trainer sets."""

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch."""
        self.batch_sampler.set_epoch(epoch)
