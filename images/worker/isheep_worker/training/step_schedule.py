"""Decides at the end of each optimizer step whether to evaluate, to save and to stop.

Checkpoints are written at the end of a step only. Transformers' own just-in-time checkpoint
saves between two micro-batches, and a training that resumes from it ends in another adapter.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from isheep_worker.training.best_adapter import BestAdapter
from isheep_worker.training.checkpoints import Checkpoints, write_provenance


class StepSchedule(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
    """A callback of the Trainer that evaluates, saves checkpoints and stops."""

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
        any_process: Callable[[Sequence[bool]], list[bool]] = list,
    ) -> None:
        """Create the callback.

        Args:
            checkpoints: The storage of the checkpoints.
            provenance: The environment that each checkpoint records.
            stop: Returns whether training has to stop. It is called at the end of each step but
                the last.
            clock: Returns a monotonic time in seconds.
            checkpoint_seconds: The time between two checkpoints, in seconds.
            evaluate_every: The number of steps between two evaluations, or None if no row is
                held out.
            best: Holds the best adapter so far; None if the last adapter is wanted.
            any_process: Returns for each flag whether it is set in any process.
        """
        self._checkpoints = checkpoints
        self._provenance = provenance
        self._stop = stop
        self._clock = clock
        self._checkpoint_seconds = checkpoint_seconds
        self._evaluate_every = evaluate_every
        self._best = best
        self._any_process = any_process
        self._saved_at = self._step_began = clock()

    def step_seconds(self) -> float:
        """Return the seconds since the present step began."""
        return self._clock() - self._step_began

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the time to the first checkpoint."""
        self._saved_at = self._clock()

    def on_step_begin(self, args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Start the step's time; with several processes also seed the random numbers."""
        self._step_began = self._clock()
        if args.world_size > 1:
            # A checkpoint contains the generator's state of the first process only, so each
            # process derives its dropout from step and rank.
            seeds = np.random.SeedSequence((args.seed, state.global_step, args.process_index))
            torch.manual_seed(int(seeds.generate_state(1)[0]))

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Request an evaluation, a checkpoint and a stop if they are due.

        The Trainer then logs, evaluates and saves, in this order. So a checkpoint contains the
        figures of its step, and a resumed training does not repeat them.
        """
        finished = state.global_step >= state.max_steps
        if self._evaluate_every is not None:
            control.should_evaluate = finished or state.global_step % self._evaluate_every == 0
        if finished:
            return
        due = self._clock() - self._saved_at >= self._checkpoint_seconds
        stop, due = self._any_process([self._stop(), due])
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
            self._best.update(model, state.global_step, metrics["eval_loss"])

    def on_save(self, args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Complete the Trainer's checkpoint, store it, and delete the local folder."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_provenance(folder, self._provenance, state.global_step)
        if self._best is not None:
            self._best.save(folder)
        self._checkpoints.save(folder, state.global_step)
        shutil.rmtree(folder)
        self._saved_at = self._clock()
