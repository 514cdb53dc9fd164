"""A training process that interrupts its training at a chosen step.

Usage: interrupted_training_process.py kill|await_stop RANK STEP FOLDER WORKER

torchrun starts it instead of `isheep_worker.training.training_process`. The process of the rank
RANK kills itself at the end of the step (`kill`), or does not continue after the step before a stop
is requested (`await_stop`). So a test interrupts a training at the same step on a machine of any
speed. All other processes train without a change.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from isheep_worker.training.step_schedule import StepSchedule
from isheep_worker.training.task_folder import TaskFolder
from isheep_worker.training.training_process import main


def kill_at(step: int) -> None:
    """Kill this process before it saves the checkpoint of a step, as the kernel does."""
    save = StepSchedule.on_save

    def on_save(schedule: StepSchedule, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        save(schedule, args, state, control, **rest)

    StepSchedule.on_save = on_save


def await_stop_after(step: int) -> None:
    """Wait for the request to stop as soon as the progress has reached a step."""
    is_requested = TaskFolder.stop_is_requested

    def stop_is_requested(folder: TaskFolder) -> bool:
        done, _, _ = folder.progress() or (0, 0, 0.0)
        while done >= step and not is_requested(folder):
            time.sleep(0.01)
        return is_requested(folder)

    TaskFolder.stop_is_requested = stop_is_requested


if __name__ == "__main__":
    interruption = {"kill": kill_at, "await_stop": await_stop_after}[sys.argv[1]]
    if os.environ["RANK"] == sys.argv[2]:
        interruption(int(sys.argv[3]))
    sys.exit(main(Path(sys.argv[4]), int(sys.argv[5])))
