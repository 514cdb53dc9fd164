"""The clocks of a simulation: the cluster's time, and the wall clock of operators, which can jump.

All time is virtual (`tests/unit/isheep/kube/virtual_time.py`). The API server, the controllers and
the kubelets share one correct clock. Operators have their own clock, because a node's clock may be
wrong or may be corrected.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from typing import Any

from ..unit.isheep.kube.virtual_time import MAX_CYCLES, START, VirtualLoop, monotonic, now

RESOLUTION_SECONDS = 1e-9
"""How long before its time a timer may be due, as with the clock of the system."""


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
    """A loop in virtual time that asks the system for no events, because nothing here has any.

    It replaces the parts of asyncio that serve threads, sockets and debugging, which take a tenth
    of the time of a simulation. As in asyncio, a timer is due a moment before its time
    (`RESOLUTION_SECONDS`).
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0
        self._cycles = 0
        self._calls: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call]] = []
        self._count = 0

    def time(self) -> float:
        return self._passed

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Run a callback in the next cycle."""
        call = _Call(callback, args, context)
        self._calls.append(call)
        return call

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        """Run a callback at a time of this loop."""
        call = _Call(callback, args, context, when)
        self._count += 1
        heappush(self._timers, (when, self._count, call))
        return call

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        """Run a callback after some seconds."""
        return self.call_at(self._passed + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """Run a cycle: the callbacks that are ready, or else those of the next timer."""
        timers, calls = self._timers, self._calls
        while timers and timers[0][2].is_cancelled:
            heappop(timers)
        self._pass(0.0 if calls or self._stopping else self._until(timers))
        end = self._passed + RESOLUTION_SECONDS
        while timers and timers[0][0] < end:
            calls.append(heappop(timers)[2])
        for _ in range(len(calls)):
            call = calls.popleft()
            if not call.is_cancelled:
                call.run(self)

    def _until(self, timers: list[tuple[float, int, _Call]]) -> float:
        if not timers:
            raise AssertionError("every task waits, and no task waits for the clock")
        return max(0.0, timers[0][0] - self._passed)

    def _pass(self, seconds: float) -> None:
        self._passed += seconds
        self._cycles = 0 if seconds else self._cycles + 1
        if self._cycles > MAX_CYCLES:
            raise AssertionError(f"the clock stays at {self._passed} seconds")


class _Call:
    """A callback of the loop, with what tasks need of `asyncio.TimerHandle`."""

    __slots__ = ("_args", "_callback", "_context", "_when", "is_cancelled")

    def __init__(
        self, callback: Any, args: tuple[Any, ...], context: Context | None, when: float = 0.0
    ) -> None:
        self._callback, self._args, self._when = callback, args, when
        self._context = copy_context() if context is None else context
        self.is_cancelled = False

    def cancel(self) -> None:
        """Do not run the callback."""
        self.is_cancelled = True

    def cancelled(self) -> bool:
        """Return whether the callback will not run."""
        return self.is_cancelled

    def when(self) -> float:
        """Return the time of the callback."""
        return self._when

    def run(self, loop: SimulationLoop) -> None:
        """Run the callback, and report its error to the loop."""
        try:
            self._context.run(self._callback, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 (asyncio does the same)
            message = f"a callback ended: {self._callback}"
            loop.call_exception_handler({"message": message, "exception": error})


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
