"""The worker processes of this machine: one place a GPU, or one where there is none.

A place keeps the process whose model was wanted last, because it may be wanted again:
a model load costs more than most stages. Imports cost seconds as well, so a spare is
started, beside a stage that keeps no engine busy, and imports what it will need before
it is needed. What runs beside the model's process (the report of the iteration before)
does so in another, which ends with its stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from isheep.contract.order import StageOrder
from isheep.local.affinity import is_inference, model_of
from isheep.local.devices import groups
from isheep.local.worker import Worker
from isheep.recipes.interface import PART_ITEMS


class Spawn(Protocol):
    """Starts worker processes."""

    def __call__(self, devices: Sequence[str], index: int, count: int, *, warm: bool) -> Worker:
        """Start one that sees some devices and has share `index` of `count`.

        `warm` tells it that it is not needed yet and may import what it will need.
        """


class _Place:
    """The processes of one group of devices: the model's, a spare, and what runs beside."""

    def __init__(self, spawn: Spawn, devices: Sequence[str], index: int, count: int) -> None:
        self._spawn = partial(spawn, devices, index, count)
        self._main: Worker | None = None
        self._spare: Worker | None = None
        self._others: list[Worker] = []

    def take(self, order: StageOrder) -> Worker:
        """Return an idle process for the order; it is busy until it is released."""
        main = self._main
        if main is not None and main.idle and main.serves(order):
            return main
        fresh = self._fresh()
        if main is None or model_of(order) is not None:
            self._main = fresh
            self._leave(main)
        else:
            self._others.append(fresh)
        return fresh

    def have_spare(self) -> None:
        """Start a spare, unless there is one or the model's process can still be any model's."""
        if self._spare is None and self._main is not None and not self._main.blank:
            self._spare = self._spawn(warm=True)

    def release(self, worker: Worker, *, clean: bool) -> None:
        """Take a process back; one that failed, or is not the model's, is ended."""
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
            worker.dismiss()
        for worker in workers:
            worker.end()
        self._main = self._spare = None
        self._others.clear()

    def _fresh(self) -> Worker:
        spare, self._spare = self._spare, None
        if spare is not None and spare.alive:
            return spare
        return self._spawn(warm=False)

    def _leave(self, worker: Worker | None) -> None:
        if worker is None:
            return
        if worker.idle:
            worker.end()
        else:
            self._others.append(worker)


class Pool:
    """Places for workers. An order with parts goes to as many as it has parts for.

    Of n places, place i always takes the parts i, i + n, …; those beyond the last part
    are not asked, and no part is left out.
    """

    def __init__(self, devices: Sequence[str], spawn: Spawn) -> None:
        self._devices = tuple(devices)
        self._spawn = spawn
        self._size = 0
        self._places: tuple[_Place, ...] = ()

    def take(self, order: StageOrder) -> tuple[Worker, ...]:
        """Return the processes that share the order; raises `TooFewDevicesError`."""
        self._arrange(order.runtime.tensor_parallel_size)
        count = workers_for(order, len(self._places))
        return tuple(place.take(order) for place in self._places[:count])

    def look_ahead(self, order: StageOrder) -> None:
        """Start spares beside an order that was just handed out, where it leaves time for it."""
        if not is_inference(order):
            for place in self._places:
                place.have_spare()

    def release(self, worker: Worker, *, clean: bool) -> None:
        """Take a process back whose order is over; `clean` where it did not fail."""
        for place in self._places:
            place.release(worker, clean=clean)

    def close(self) -> None:
        """End all processes."""
        for place in self._places:
            place.close()

    def _arrange(self, size: int) -> None:
        if size == self._size:
            return
        self.close()
        shares = groups(self._devices, size)
        self._places = tuple(
            _Place(self._spawn, devices, index, len(shares)) for index, devices in enumerate(shares)
        )
        self._size = size


def workers_for(order: StageOrder, places: int) -> int:
    """Return how many workers share an order: no more than its smallest step has parts."""
    counts = [step.items for step in order.steps if step.items is not None]
    if len(counts) < len(order.steps):
        return 1
    return max(1, min(places, *(-(-items // PART_ITEMS) for items in counts)))
