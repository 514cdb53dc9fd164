"""`python -m isheep_worker.training.process FOLDER`: one of the processes that train together.

torchrun starts it, with its rank in the environment, once for every GPU of a node. What to
do lies in the folder of the node (`task`), and what becomes of it is left there, so its
exit code tells nothing. It ends when who started torchrun does: nobody would collect what it
computes, and its GPU would be held.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from isheep.store import open_store
from isheep.store.checkpoints import CheckpointStore
from isheep_worker.runtime.failures import failure_of
from isheep_worker.runtime.logs import log_to_stderr
from isheep_worker.runtime.orders import PeerLostError
from isheep_worker.templates.prompting import load_prompting
from isheep_worker.training.collectives import told_by_first
from isheep_worker.training.dataset import Split
from isheep_worker.training.samples import SampleRow, sample_rows
from isheep_worker.training.sft import Machine, this_machine, train
from isheep_worker.training.stored import StoredCheckpoints
from isheep_worker.training.task import Task, TaskFolder

PATIENCE = timedelta(hours=2)
"""How long a process waits for another: while one reads a large model, or stores a checkpoint."""
_LOOK_SECONDS = 1.0
_GLOO = "gloo/transport"
_LOG = logging.getLogger(__name__)


class SharedCheckpoints:
    """The checkpoints of a training of several processes: stored by the first, read by nodes."""

    def __init__(self, stored: StoredCheckpoints, machine: Machine) -> None:
        self._stored = stored
        self._machine = machine

    def save(self, folder: Path, step: int) -> None:
        """Store the first process's checkpoint."""
        if self._machine.rank == 0:
            self._stored.save(folder, step)

    def latest(self) -> Path | None:
        """Return a node's copy of the newest whole checkpoint, or None; the same in all."""
        found = self._stored.latest_step() if self._machine.rank == 0 else None
        step = told_by_first(found, self._machine.device)
        if step is None:
            return None
        if self._machine.local_rank == 0 and self._machine.rank != 0:
            self._stored.restore(step)
        dist.barrier()
        return self._stored.folder(step)

    def discard(self) -> None:
        """Delete them all, once every process knows that it does not go on from them."""
        dist.barrier()
        if self._machine.rank == 0:
            self._stored.discard()


def main(root: Path) -> int:
    """Train and return the exit code, 0 where the training ended or was stopped."""
    log_to_stderr()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    folder, rank = TaskFolder(root), int(os.environ["RANK"])
    try:
        task, data = folder.read_task()
        machine = this_machine(task.order.runtime)
        _join(machine)
        _train(folder, task, data, machine)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is left for the stage)
        failure = failure_of(_named(error))
        _LOG.error("process %d: %s", rank, failure.message, exc_info=True)
        folder.write_failure(rank, failure)
        # What the others are asked for in the end would not come.
        os._exit(1)
    dist.destroy_process_group()
    return 0


def _join(machine: Machine) -> None:
    """Become one of the processes of the training; returns when all are there."""
    if machine.device == "cuda":
        torch.cuda.set_device(machine.local_rank)
    dist.init_process_group("nccl" if machine.device == "cuda" else "gloo", timeout=PATIENCE)


def _train(folder: TaskFolder, task: Task, data: Split, machine: Machine) -> None:
    leads = machine.local_rank == 0
    prompting = load_prompting(task.tokenizer, task.settings.chat_format)
    samples: list[SampleRow] = []

    def report(step: int, steps: int, loss: float) -> None:
        if leads:
            folder.write_progress(step, steps, loss)

    def answer(model: Any) -> None:
        samples.extend(sample_rows(model, prompting, task.questions, base_too=task.base_too))

    report(0, 0, 0.0)
    outcome = train(
        task.settings,
        data,
        seed=task.seed,
        base=task.base,
        out=folder.adapter,
        machine=machine,
        checkpoints=SharedCheckpoints(_stored(folder, task), machine),
        stop=folder.is_asked_to_stop,
        progress=report,
        trained=answer,
    )
    if leads:
        folder.write_outcome(outcome, samples)


def _stored(folder: TaskFolder, task: Task) -> StoredCheckpoints:
    store = CheckpointStore(open_store(task.order.store), task.order.run.namespace)
    return StoredCheckpoints(store, task.step.key, folder.root)


def _named(error: Exception) -> Exception:
    """Return the error as the worker's table of failures knows it."""
    # gloo has no exception of its own for a connection that breaks.
    if isinstance(error, dist.DistError) or _GLOO in str(error):
        return PeerLostError(f"another process of the training is gone: {error}")
    return error


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
