"""A training of several processes, seen from the worker that starts a node's share of them.

torchrun starts the processes, one for every GPU, and has those of all nodes meet at the first
one's; it restarts none, because what one process has lost the others cannot go on without. So
an attempt ends with its first process that fails, and the next attempt goes on from the last
checkpoint. torchrun answers every failure with 1 and would kill what it is asked to stop, so
why a process failed, and that it is to stop, pass by files (see `task`).
"""

from __future__ import annotations

import logging
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
from isheep_worker.runtime.orders import (
    RENDEZVOUS_VARIABLE,
    Failure,
    PeerLostError,
    ProcessFailedError,
    Shard,
    StoppedError,
)
from isheep_worker.training.task import TaskFolder

RENDEZVOUS_SECONDS = 900
"""How long a node waits for the others to begin."""
_CLOSE_SECONDS = 10
"""How long processes may take to end once one of them has failed."""
_LOOK_SECONDS = 0.5
_PROGRAM = ("-m", "isheep_worker.training.process")
_FINAL = (ExitCode.BAD_INPUT, ExitCode.DEFECT, ExitCode.DEVICE_MEMORY)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of a training: `per_node` on each of `nodes`, of which this is `index`.

    `rendezvous` is where they meet, as `host:port`; None where there is one node only.
    """

    nodes: int
    index: int
    per_node: int
    rendezvous: str | None = None

    @property
    def world_size(self) -> int:
        """How many processes there are."""
        return self.nodes * self.per_node


def group_of(nodes: int, shard: Shard, devices: int, environment: Mapping[str, str]) -> Group:
    """Return the processes of a training on `nodes` with `devices` GPUs each (0: on CPUs).

    Raises `ContractError` where nobody says where several nodes meet.
    """
    if nodes == 1:
        return Group(1, 0, max(1, devices))
    rendezvous = environment.get(RENDEZVOUS_VARIABLE)
    if rendezvous is None or shard.count != nodes:
        raise ContractError(
            f"the order asks for training on {nodes} nodes, but this is one of {shard.count} "
            f"workers and {RENDEZVOUS_VARIABLE} is {rendezvous!r}: the operator sets both"
        )
    return Group(nodes, shard.index, max(1, devices), rendezvous)


def train_together(
    group: Group,
    folder: TaskFolder,
    *,
    run: str,
    stop: Callable[[], bool],
    progress: Callable[[int, int, float], None],
) -> None:
    """Have a node's processes carry out the task in its folder; the outcome is left there.

    `run` is the same for all nodes of one attempt. Raises `StoppedError` where a stop is asked
    for before the nodes have met, `ProcessFailedError`, `PeerLostError`.
    """
    torchrun = _Torchrun(group, folder.root, run)
    torchrun.start()
    while torchrun.is_alive():
        torchrun.join(_LOOK_SECONDS)
        told = folder.progress()
        if told is not None and told[1] > 0:
            progress(*told)
        if stop():
            if group.nodes > 1 and told is None:
                # The others may never come, and nothing can be lost yet.
                raise StoppedError("stopped on request while the nodes were to meet")
            folder.ask_to_stop()
    if (cause := cause_of(folder.failures(), torchrun.exit_codes)) is not None:
        raise ProcessFailedError(cause)
    if torchrun.error is not None:
        raise torchrun.error


def cause_of(failures: Mapping[int, Failure], exit_codes: Mapping[int, int]) -> Failure | None:
    """Return what tells most of why processes of a node failed, None where none did.

    By rank: `failures` are what processes said, `exit_codes` how they ended, negative by a
    signal. Who lost another process was only dragged along, and whom torchrun ended (SIGTERM)
    because of another one has nothing to tell at all.
    """
    own = [f for _, f in sorted(failures.items()) if f.exit_code != ExitCode.UNREACHABLE]
    if own:
        return min(own, key=lambda failure: failure.exit_code not in _FINAL)
    for rank, code in sorted(exit_codes.items()):
        if code < 0 and -code != signal.SIGTERM:
            return _ended_by_signal(rank, -code)
    if failures:
        return failures[min(failures)]
    for rank, code in sorted(exit_codes.items()):
        return Failure(
            ExitCode.DEFECT, "Defect", f"process {rank} of the training ended with {code}, no word"
        )
    return None


def _ended_by_signal(rank: int, number: int) -> Failure:
    message = f"process {rank} of the training was ended by {signal.Signals(number).name}"
    if number == signal.SIGKILL:
        message += (
            ", most likely because the pod's memory limit was reached: raise "
            "resources.limits.memory of its pool"
        )
    return Failure(128 + number, "Killed", message)


class _Torchrun(threading.Thread):
    """torchrun's agent of one node, in a thread, for it answers to signals in the main one."""

    def __init__(self, group: Group, folder: Path, run: str) -> None:
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
            launch(*_PROGRAM, str(self._folder))
        except ChildFailedError as error:
            self.exit_codes = {rank: end.exitcode for rank, end in error.failures.items()}
        except DistError as error:
            self.error = PeerLostError(
                f"the {self._group.nodes} nodes of the training did not meet at "
                f"{self._group.rendezvous} within {RENDEZVOUS_SECONDS} s ({error}); do all of "
                "its pods run, and may they reach each other?"
            )
        except Exception as error:  # noqa: BLE001 (raised where it is waited for)
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
