"""The worker processes of this machine, by groups of devices.

Each group of GPUs has its processes; a machine without GPUs has one group without devices. A
group keeps the process with the model of the last order, because the next order may need the same
model, and a model load takes longer than most stages. Imports take seconds, too. So during a stage
that uses no engine, a group starts a spare process, which imports its libraries before it receives
an order. A training gets one process that sees the devices of all groups. A stage that runs at the
same time as the model's process (the report of the previous iteration) runs in another process,
which ends with the stage.

If all iterations use the same base model with adapters, the model's process may remain during a
training. It frees its GPU first, and it decides whether the memory of the host suffices. If the
training failed before, the process ends, because the estimate of the memory may have been wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from isheep.contract.order import StageOrder
from isheep.local.affinity import is_inference, model_of, trains
from isheep.local.devices import gpu_resources, groups
from isheep.local.worker import Worker
from isheep.recipes.interface import part_count


class Spawn(Protocol):
    """Starts worker processes."""

    def __call__(self, devices: Sequence[str], index: int, count: int, *, warm: bool) -> Worker:
        """Start a process that sees the given devices and has share `index` of `count`.

        A `warm` process has no order yet and imports its libraries first.
        """


class _DeviceGroup:
    """The processes of one group of devices: the model's process, a spare one, and others."""

    def __init__(self, spawn: Spawn, devices: Sequence[str], index: int, count: int) -> None:
        self._spawn = partial(spawn, devices, index, count)
        self._main: Worker | None = None
        self._spare: Worker | None = None
        self._others: list[Worker] = []

    @property
    def idle(self) -> bool:
        """Whether there is a process with a model, and it has no order."""
        return self._main is not None and self._main.idle

    def has_loaded(self, order: StageOrder) -> bool:
        """Return whether an idle process has loaded the model of the order."""
        main = self._main
        if main is None or main.blank or not main.idle or model_of(order) is None:
            return False
        return main.serves(order)

    def take(self, order: StageOrder) -> Worker:
        """Return an idle process for the order. The process is busy until its release."""
        main = self._main
        if main is not None and main.idle and main.serves(order):
            return main
        keeps = trains(order) and self.make_room(order)
        new = self._new()
        if not keeps and (self._main is None or model_of(order) is not None):
            main, self._main = self._main, new
            self._retire(main)
        else:
            self._others.append(new)
        return new

    def make_room(self, order: StageOrder) -> bool:
        """Free the devices for a training; return whether the process with the model remains."""
        main = self._main
        if main is None:
            return False
        if main.idle and order.attempt == 1 and main.make_room(order):
            return True
        self._main = None
        self._retire(main)
        return False

    def start_spare(self) -> None:
        """Start a spare process, unless there is one or the main process can load any model."""
        if self._spare is None and self._main is not None and not self._main.blank:
            self._spare = self._spawn(warm=True)

    def release(self, worker: Worker, *, clean: bool) -> None:
        """Take a process back. End it if it failed, or if it is not the main process."""
        if worker is self._main and not clean:
            self._main = None
            worker.end()
        elif worker in self._others:
            self._others.remove(worker)
            worker.end()

    def close(self) -> None:
        """End all processes."""
        workers = [w for w in (self._main, self._spare, *self._others) if w is not None]
        for worker in workers:
            worker.request_end()
        for worker in workers:
            worker.end()
        self._main = self._spare = None
        self._others.clear()

    def _new(self) -> Worker:
        spare, self._spare = self._spare, None
        if spare is not None and spare.alive:
            return spare
        return self._spawn(warm=False)

    def _retire(self, worker: Worker | None) -> None:
        if worker is None:
            return
        if worker.idle:
            worker.end()
        else:
            self._others.append(worker)


class Pool:
    """The worker processes of all groups of devices. An order gets one worker a group.

    Group i of n groups always makes the parts i, i + n, …. So an order with fewer parts than groups
    uses the first groups only, and each part still has a group.
    """

    def __init__(self, devices: Sequence[str], spawn: Spawn) -> None:
        self._devices = tuple(devices)
        self._spawn = spawn
        self._size = 0
        self._groups: tuple[_DeviceGroup, ...] = ()
        self._trainer: Worker | None = None

    def take(self, order: StageOrder) -> tuple[Worker, ...]:
        """Return the processes that share the order.

        Raises:
            TooFewDevicesError: The machine has fewer GPUs than one worker needs.
        """
        self._make_groups(order.runtime.tensor_parallel_size)
        if len(self._groups) > 1 and trains(order):
            return (self._take_all_devices(order),)
        count = workers_for(order, len(self._groups))
        return tuple(group.take(order) for group in self._groups[:count])

    def gpus_of(self, order: StageOrder) -> dict[str, int]:
        """Return the GPUs of each process that `take` has returned for an order, by resource.

        An order without an engine and without a training holds none, although a process with an
        engine may execute it.
        """
        if not (is_inference(order) or trains(order)):
            return {}
        if len(self._groups) > 1 and trains(order):
            return gpu_resources(self._devices)
        return gpu_resources(self._devices[: self._size])

    def _take_all_devices(self, order: StageOrder) -> Worker:
        """Return a process that sees all devices, after the engines have freed their memory."""
        for group in self._groups:
            group.make_room(order)
        self._trainer = self._spawn(self._devices, 0, 1, warm=False)
        return self._trainer

    def has_loaded(self, order: StageOrder) -> bool:
        """Return whether an idle process has loaded the model of the order.

        Take such an order first. Otherwise an order without a model takes the process, and the
        model is loaded again in another one.
        """
        return any(group.has_loaded(order) for group in self._groups)

    def start_spares(self, order: StageOrder) -> None:
        """Start spare processes during an order that uses no engine."""
        if not is_inference(order):
            for group in self._groups:
                # A process that remains during a training makes the next load unnecessary.
                if not (trains(order) and group.idle):
                    group.start_spare()

    def release(self, worker: Worker, *, clean: bool) -> None:
        """Take a process back after its order; `clean` is True if the order did not fail."""
        if worker is self._trainer:
            self._trainer = None
            worker.end()
            return
        for group in self._groups:
            group.release(worker, clean=clean)

    def close(self) -> None:
        """End all processes."""
        trainer, self._trainer = self._trainer, None
        if trainer is not None:
            trainer.end()
        for group in self._groups:
            group.close()

    def _make_groups(self, size: int) -> None:
        if size == self._size:
            return
        self.close()
        shares = groups(self._devices, size)
        self._groups = tuple(
            _DeviceGroup(self._spawn, devices, index, len(shares))
            for index, devices in enumerate(shares)
        )
        self._size = size


def workers_for(order: StageOrder, group_count: int) -> int:
    """Return the number of workers for an order: at most the parts of its smallest step."""
    counts = [step.items for step in order.steps if step.items is not None]
    if len(counts) < len(order.steps):
        return 1
    return max(1, min(group_count, *map(part_count, counts)))
