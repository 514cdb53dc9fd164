"""The Deployment of the operator: it starts a process again when one dies, and upgrades it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from .clock import Scheduler
from .operator_process import OperatorProcess

RESTART_SECONDS = (0.5, 2.0, 15.0, 50.0)


class Deployment:
    """Keeps one operator process alive, and a second one for a while if a rollout overlaps."""

    def __init__(
        self,
        make: Callable[[str], OperatorProcess],
        processes: list[OperatorProcess],
        scheduler: Scheduler,
        chance: random.Random,
    ) -> None:
        self._make, self._processes = make, processes
        self._scheduler, self._chance = scheduler, chance
        self._pods = 0
        self._pause: float | None = None
        self._stopping = False

    def start(self) -> None:
        """Start the first process, and keep one alive."""
        self._scheduler.task(self._keep())

    async def restart(self, *, graceful: bool, pause: float | None = None) -> None:
        """End the process; the next one starts after a pause, which is drawn if it is None."""
        self._pause = pause
        for process in list(self._processes[:1]):
            if graceful:
                await process.stop()
            else:
                process.die()

    async def overlap(self, seconds: float, *, graceful: bool) -> None:
        """Run a second process with another identity for some seconds."""
        process = self._begin(self._next_identity())
        await asyncio.sleep(seconds)
        if graceful:
            await process.stop()
        else:
            process.die()

    def stop(self) -> None:
        """End all processes."""
        self._stopping = True
        for process in list(self._processes):
            process.die()

    async def _keep(self) -> None:
        identity = self._next_identity()
        while not self._stopping:
            process = self._begin(identity)
            await process.ended.wait()
            if process in self._processes:
                self._processes.remove(process)
            pause, self._pause = self._pause, None
            await asyncio.sleep(self._chance.choice(RESTART_SECONDS) if pause is None else pause)
            # A container that restarts keeps the name of its pod; a new pod has another name.
            if self._chance.random() < 0.5:
                identity = self._next_identity()

    def _begin(self, identity: str) -> OperatorProcess:
        process = self._make(identity)
        self._processes.append(process)
        process.start()
        return process

    def _next_identity(self) -> str:
        self._pods += 1
        return f"isheep-operator-{self._pods}"
