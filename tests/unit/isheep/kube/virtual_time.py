"""Virtual time: an event loop whose clock jumps to the next timer when nothing else is to do."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

START = datetime(2026, 1, 1, tzinfo=UTC)
TURNS = 200_000
"""Turns of the loop at one moment: so many are a loop without end."""
ResultT = TypeVar("ResultT")


class _Selector(selectors.SelectSelector):
    """Never waits: where nothing is ready, the time that it would have waited has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.turns = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        self.turns = 0 if timeout else self.turns + 1
        if self.turns > TURNS:
            raise AssertionError(f"no time passes at {self.passed}")
        if not ready:
            if timeout is None:
                raise AssertionError("everybody waits, and nobody for the clock")
            self.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.passed


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Carry out a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def monotonic() -> float:
    return asyncio.get_running_loop().time()


def now() -> datetime:
    """Return the time in whole seconds, as the operator has it."""
    return START + timedelta(seconds=int(monotonic()))
