"""Waiting for something to become so; how long it took is never asserted, only that it came."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 45.0
"""Two slow cores that five processes share; only a test that fails waits so long."""
LOOK_SECONDS = 0.05


def until(
    look: Callable[[], T],
    timeout: float = PATIENCE_SECONDS,
    *,
    otherwise: Callable[[], str] | str = "it did not come to be",
) -> T:
    """Look until what is seen is true in Python's sense, and return it."""
    deadline = time.monotonic() + timeout
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            told = otherwise if isinstance(otherwise, str) else otherwise()
            raise AssertionError(f"after {timeout:.0f} s: {told}")
        time.sleep(LOOK_SECONDS)


def always(look: Callable[[], bool], seconds: float, *, otherwise: str) -> None:
    """Look again and again for some seconds; every time it must be so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert look(), otherwise
        time.sleep(LOOK_SECONDS)
