"""Starts a node's processes of a distributed training, and watches them until they end.

torchrun starts one process for each GPU, and the processes of all nodes connect to the first
node. torchrun restarts no process, because the others cannot continue without the state of a
lost process. So an attempt ends when the first process fails, and the next attempt resumes from
the last checkpoint. torchrun exits with 1 after any failure, and it stops processes by killing
them. So the cause of a failure and the request to stop are passed as files (see `task_folder`).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError
from isheep.contract.reasons import Reason
from isheep_worker.runtime.errors import PeerLostError, StoppedError
from isheep_worker.runtime.failures import Failure, ProcessFailedError, ended_by_signal
from isheep_worker.runtime.orders import RENDEZVOUS_VARIABLE, Shard
from isheep_worker.training.task_folder import TaskFolder

RENDEZVOUS_SECONDS = 900
"""How long a node waits for the other nodes to connect."""
_CLOSE_SECONDS = 10
"""How long processes may take to end after one of them has failed."""
_POLL_SECONDS = 0.5
_PROGRAM = ("-m", "isheep_worker.training.training_process")
_FINAL = (ExitCode.BAD_INPUT, ExitCode.DEFECT, ExitCode.DEVICE_MEMORY)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The processes of a training: `per_node` on each of `nodes`; this node is `index`.

    `rendezvous` is the address of the first node as `host:port`, or None for a single node.
    """

    nodes: int
    index: int
    per_node: int
    rendezvous: str | None = None

    @property
    def world_size(self) -> int:
        """The number of processes on all nodes."""
        return self.nodes * self.per_node


def process_group(
    nodes: int, shard: Shard, devices: int, environment: Mapping[str, str]
) -> ProcessGroup:
    """Return the processes of a training.

    Args:
        nodes: The number of nodes that the order requests.
        shard: The index of this worker and the number of workers.
        devices: The number of GPUs on each node; 0 means one process on the CPU.
        environment: The environment with the rendezvous address, if there are several nodes.

    Raises:
        ContractError: The order requests several nodes, but the number of workers differs or
            the environment has no rendezvous address.
    """
    if nodes == 1:
        return ProcessGroup(1, 0, max(1, devices))
    rendezvous = environment.get(RENDEZVOUS_VARIABLE)
    if rendezvous is None or shard.count != nodes:
        raise ContractError(
            f"the order requests training on {nodes} nodes, but this is one of {shard.count} "
            f"workers and {RENDEZVOUS_VARIABLE} is {rendezvous!r}: the operator sets both"
        )
    return ProcessGroup(nodes, shard.index, max(1, devices), rendezvous)


def launch_training(
    group: ProcessGroup,
    folder: TaskFolder,
    *,
    run: str,
    stop: Callable[[], bool],
    progress: Callable[[int, int, float], None],
) -> None:
    """Run the task in a node's folder with the node's processes, which write the outcome there.

    Args:
        group: The processes of the training.
        folder: The node's folder with the task.
        run: An id that all nodes of one attempt share.
        stop: Returns whether training has to stop. It is called every half second.
        progress: Called every half second with the step, the number of steps and the loss.

    Raises:
        StoppedError: A stop was requested before the nodes had connected.
        ProcessFailedError: A process of this node failed.
        PeerLostError: The nodes did not connect in time.
    """
    torchrun = _Torchrun(group, folder.root, run)
    torchrun.start()
    while torchrun.is_alive():
        torchrun.join(_POLL_SECONDS)
        latest = folder.progress()
        if latest is not None and latest[1] > 0:
            progress(*latest)
        if stop():
            if group.nodes > 1 and latest is None:
                # The other nodes may never connect, and there is no progress to lose yet.
                raise StoppedError("stopped on request before the nodes had connected")
            folder.request_stop()
    if (cause := cause_of(folder.failures(), torchrun.exit_codes)) is not None:
        raise ProcessFailedError(cause)
    if torchrun.error is not None:
        raise torchrun.error


def cause_of(failures: Mapping[int, Failure], exit_codes: Mapping[int, int]) -> Failure | None:
    """Return the most informative failure of a node's processes, or None if none failed.

    A process that lost its peer failed only as a consequence. A process that torchrun ended by
    SIGTERM, because another one had failed, reports nothing. So the order is: a failure that a
    process reported, a signal, a lost peer, an exit code without a report.

    Args:
        failures: The failures that processes reported, by rank.
        exit_codes: The exit codes of failed processes by rank; -n means signal n.
    """
    own = [f for _, f in sorted(failures.items()) if f.exit_code != ExitCode.UNREACHABLE]
    if own:
        # A failure that a retry without changes cannot fix comes first.
        return min(own, key=lambda failure: failure.exit_code not in _FINAL)
    for rank, code in sorted(exit_codes.items()):
        if code < 0 and -code != signal.SIGTERM:
            return ended_by_signal(f"process {rank} of the training", -code)
    if failures:
        return failures[min(failures)]
    for rank, code in sorted(exit_codes.items()):
        return Failure.of(
            Reason.DEFECT,
            f"process {rank} of the training exited with {code} and reported no failure",
        )
    return None


class _Torchrun(threading.Thread):
    """torchrun's agent of one node, in a thread; in the main thread it would handle signals."""

    def __init__(self, group: ProcessGroup, folder: Path, run: str) -> None:
        super().__init__(name="torchrun", daemon=True)
        self.exit_codes: dict[int, int] = {}
        self.error: Exception | None = None
        self._group = group
        self._folder = folder
        self._run_id = run

    def run(self) -> None:
        from torch.distributed import DistError  # noqa: PLC0415 (heavy)
        from torch.distributed.elastic.multiprocessing.errors import (  # noqa: PLC0415 (heavy)
            ChildFailedError,
        )
        from torch.distributed.launcher.api import elastic_launch  # noqa: PLC0415 (heavy)

        launch = elastic_launch(self._config(), sys.executable)
        try:
            launch(*_PROGRAM, str(self._folder), str(os.getpid()))
        except ChildFailedError as error:
            self.exit_codes = {rank: end.exitcode for rank, end in error.failures.items()}
        except DistError as error:
            self.error = PeerLostError(
                f"the {self._group.nodes} nodes of the training did not connect at "
                f"{self._group.rendezvous} within {RENDEZVOUS_SECONDS} s ({error}): check that "
                "all pods of the Job run and that they can reach each other"
            )
        except Exception as error:  # noqa: BLE001 (the waiting thread raises it)
            self.error = error

    def _config(self) -> Any:
        from torch.distributed.launcher.api import LaunchConfig  # noqa: PLC0415 (heavy)

        group = self._group
        several: dict[str, Any] = {
            "rdzv_backend": "static",
            "rdzv_endpoint": group.rendezvous,
            "rdzv_configs": {"rank": group.index, "timeout": RENDEZVOUS_SECONDS},
            "run_id": self._run_id,
        }
        alone: dict[str, Any] = {
            "rdzv_backend": "c10d",
            "rdzv_endpoint": "localhost:0",
            "local_addr": "localhost",
            "run_id": str(uuid.uuid4()),
        }
        return LaunchConfig(
            min_nodes=group.nodes,
            max_nodes=group.nodes,
            nproc_per_node=group.per_node,
            max_restarts=0,
            shutdown_timeout=_CLOSE_SECONDS,
            **(alone if group.rendezvous is None else several),
        )
