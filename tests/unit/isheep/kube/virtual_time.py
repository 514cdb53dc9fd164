"""Virtual time: an event loop whose clock jumps to the next timer when no callback is ready.

So a test of hours ends in milliseconds, and each run of the test has the same timing.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

START = datetime(2026, 1, 1, tzinfo=UTC)
MAX_CYCLES = 200_000
"""The loop runs this many cycles at one moment at most, because more are an endless loop."""
ResultT = TypeVar("ResultT")


class _Selector(selectors.SelectSelector):
    """A selector that never waits: instead of a wait, it adds the timeout to the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.cycles = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        self.cycles = 0 if timeout else self.cycles + 1
        if self.cycles > MAX_CYCLES:
            raise AssertionError(f"the clock stays at {self.passed} seconds")
        if not ready:
            if timeout is None:
                raise AssertionError("every task waits, and no task waits for the clock")
            self.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.passed


def run_in_virtual_time(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine in virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def monotonic() -> float:
    """Return the seconds since the start of the loop."""
    return asyncio.get_running_loop().time()


def now() -> datetime:
    """Return the time in whole seconds, as the operator's clock does."""
    return _moment(int(monotonic()))


@lru_cache(maxsize=1024)
def _moment(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)
