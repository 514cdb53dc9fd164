"""One process of a distributed training.

Usage: `python -m isheep_worker.training.training_process FOLDER WORKER`

torchrun starts the process once for each GPU of a node, with its rank in the environment. The
process reads the task from the node's folder (`task_folder`) and writes the outcome or its
failure there, so its exit code has no meaning. The process ends when the worker that runs
torchrun ends, whose process id is WORKER. Otherwise it would hold its GPU for a result that no
process reads.
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
from isheep_worker.runtime.errors import PeerLostError
from isheep_worker.runtime.failures import failure_of
from isheep_worker.runtime.lean_imports import hide_scikit_learn
from isheep_worker.runtime.logs import log_to_stderr
from isheep_worker.templates.prompting import load_prompting
from isheep_worker.training.checkpoint_storage import StoredCheckpoints
from isheep_worker.training.collectives import broadcast_from_first
from isheep_worker.training.dataset import Split
from isheep_worker.training.machine import Machine, this_machine
from isheep_worker.training.sample_answers import SampleAnswer, sample_answers
from isheep_worker.training.sft import train
from isheep_worker.training.task_folder import Task, TaskFolder

PEER_TIMEOUT = timedelta(hours=2)
"""How long a process waits for another one, which may read a large model or store a checkpoint."""
_POLL_SECONDS = 1.0
_GLOO = "gloo/transport"
_LOG = logging.getLogger(__name__)


class SharedCheckpoints:
    """The checkpoints of a training: the first process stores them, and every node reads them."""

    def __init__(self, stored: StoredCheckpoints, machine: Machine) -> None:
        self._stored = stored
        self._machine = machine

    def save(self, folder: Path, step: int) -> None:
        """Store the checkpoint if this is the first process."""
        if self._machine.rank == 0:
            self._stored.save(folder, step)

    def latest(self) -> Path | None:
        """Return the node's copy of the newest complete checkpoint, or None if there is none.

        All processes of the training get the same checkpoint.
        """
        found = self._stored.latest_step() if self._machine.rank == 0 else None
        step = broadcast_from_first(found, self._machine.device)
        if step is None:
            return None
        if self._machine.local_rank == 0 and self._machine.rank != 0:
            self._stored.restore(step)
        dist.barrier()
        return self._stored.folder(step)

    def discard(self) -> None:
        """Delete all checkpoints after every process has decided not to resume from them."""
        dist.barrier()
        if self._machine.rank == 0:
            self._stored.discard()


def main(root: Path, worker: int) -> int:
    """Train, and return the exit code 0 if the training was completed or stopped on request.

    `root` is the node's folder, `worker` the process id of the worker, which is the parent.
    """
    log_to_stderr()
    hide_scikit_learn()
    threading.Thread(target=_exit_after, args=(worker,), daemon=True).start()
    folder, rank = TaskFolder(root), int(os.environ["RANK"])
    try:
        task, data = folder.read_task()
        machine = this_machine(task.order.runtime)
        _join(machine)
        _train(folder, task, data, machine)
    except Exception as error:  # noqa: BLE001 (the stage gets any failure)
        failure = failure_of(_classified(error))
        _LOG.error("process %d: %s", rank, failure.message, exc_info=True)
        folder.write_failure(rank, failure)
        # `destroy_process_group` would wait for the other processes, which may be waiting too.
        os._exit(1)
    dist.destroy_process_group()
    return 0


def _join(machine: Machine) -> None:
    """Join the process group; return when all processes have joined."""
    if machine.device == "cuda":
        torch.cuda.set_device(machine.local_rank)
    dist.init_process_group("nccl" if machine.device == "cuda" else "gloo", timeout=PEER_TIMEOUT)


def _train(folder: TaskFolder, task: Task, data: Split, machine: Machine) -> None:
    leads = machine.local_rank == 0
    prompting = load_prompting(task.tokenizer, task.settings.chat_format)
    samples: list[SampleAnswer] = []

    def report(step: int, steps: int, loss: float) -> None:
        if leads:
            folder.write_progress(step, steps, loss)

    def answer(model: Any) -> None:
        samples.extend(sample_answers(model, prompting, task.questions, with_base=task.with_base))

    report(0, 0, 0.0)
    outcome = train(
        task.settings,
        data,
        seed=task.seed,
        base=task.base,
        out=folder.adapter,
        machine=machine,
        checkpoints=SharedCheckpoints(_stored(folder, task), machine),
        stop=folder.stop_is_requested,
        progress=report,
        on_completion=answer,
    )
    if leads:
        folder.write_outcome(outcome, samples)


def _stored(folder: TaskFolder, task: Task) -> StoredCheckpoints:
    order = task.order
    store = CheckpointStore(open_store(order.store), order.run.namespace, attempt=order.attempt)
    return StoredCheckpoints(store, task.step.key, folder.root)


def _classified(error: Exception) -> Exception:
    """Return a `PeerLostError` for a broken connection, and any other error unchanged."""
    # gloo raises a RuntimeError for a broken connection, so only its text identifies it.
    if isinstance(error, dist.DistError) or _GLOO in str(error):
        return PeerLostError(f"another process of the training was lost: {error}")
    return error


def _exit_after(parent: int) -> None:
    """Exit when the process `parent` has ended."""
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
