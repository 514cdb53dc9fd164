"""Another process for one defect, so that no broken state is left for the next one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any


def forked(work: Callable[..., None], *arguments: Any, seconds: float | None = None) -> Any:
    """Return what a function sends from a process of its own, which begins with this memory.

    Args:
        work: The function; its last argument is the pipe into which it sends one value.
        arguments: The other arguments.
        seconds: The longest time; None waits for ever.

    Raises:
        EOFError: The process has ended and sent nothing.
        TimeoutError: It has sent nothing in time.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(*arguments, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise TimeoutError
        return receiver.recv()
    finally:
        process.kill()
        process.join()
