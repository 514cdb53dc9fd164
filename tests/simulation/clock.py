"""The clocks of a simulation: the cluster's time, and the wall clock of operators, which can jump.

All time is virtual (`tests/unit/isheep/kube/virtual_time.py`). The API server, the controllers and
the kubelets share one correct clock. Operators have their own clock, because a node's clock may be
wrong or may be corrected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from ..unit.isheep.kube.virtual_time import MAX_CYCLES, START, VirtualLoop, monotonic, now


def timestamp(seconds: float = 0.0) -> str:
    """Return the cluster's time after some seconds, in the format of the API server."""
    return _text(int(monotonic()) + int(seconds))


@cache
def _text(seconds: int) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class WallClock:
    """The wall clock of the operators; `offset` is its error in seconds."""

    offset: float = 0.0

    def now(self) -> datetime:
        """Return the time in whole seconds, as the operator reads it."""
        return now() + timedelta(seconds=int(self.offset))


class SimulationLoop(VirtualLoop):
    """A loop in virtual time that asks the system for no events, because nothing here has any."""

    def __init__(self) -> None:
        super().__init__()
        self.selector.select = self._select  # type: ignore[method-assign]

    def _select(self, timeout: float | None = None) -> list[Any]:
        selector = self.selector
        if timeout:
            selector.cycles = 0
            selector.passed += timeout
            return []
        selector.cycles += 1
        if selector.cycles > MAX_CYCLES:
            raise AssertionError(f"the clock stays at {selector.passed} seconds")
        if timeout is None:
            raise AssertionError("every task waits, and no task waits for the clock")
        return []

    def time(self) -> float:
        return self.selector.passed


class Scheduler:
    """Starts tasks and timers of the cluster.

    A change of an object is often made within a task of an operator. What the cluster does next
    must not end when that operator dies, so it runs in the context of the cluster.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._tasks: set[asyncio.Task[None]] = set()

    def task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task of the cluster."""
        task = self._loop.create_task(work, context=self._context)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call a function of the cluster after some seconds."""
        self._loop.call_later(seconds, call, context=self._context)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "a task of the cluster ended", "exception": error}
            self._loop.call_exception_handler(context)

    def close(self) -> None:
        """Cancel all tasks."""
        for task in self._tasks:
            task.cancel()


__all__ = ["Scheduler", "SimulationLoop", "WallClock", "monotonic", "now", "timestamp"]
