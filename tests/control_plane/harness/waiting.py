"""Waits for a condition. A test asserts that the condition becomes true, never how soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 180.0
"""Long enough for two slow cores that other processes share; only a failing test waits so long."""
POLL_SECONDS = 0.05


def until(
    probe: Callable[[], T],
    timeout: float = PATIENCE_SECONDS,
    *,
    otherwise: Callable[[], str] | str = "the condition did not become true",
) -> T:
    """Call `probe` until its result is truthy, and return the result.

    Raises:
        AssertionError: The result was falsy for `timeout` seconds; `otherwise` is the message.
    """
    deadline = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            message = otherwise if isinstance(otherwise, str) else otherwise()
            raise AssertionError(f"after {timeout:.0f} s: {message}")
        time.sleep(POLL_SECONDS)


def always(probe: Callable[[], bool], seconds: float, *, otherwise: str) -> None:
    """Call `probe` repeatedly for some seconds, and assert that it is true each time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert probe(), otherwise
        time.sleep(POLL_SECONDS)
