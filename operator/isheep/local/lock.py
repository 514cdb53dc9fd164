"""One `isheep run` of a run at a time on one machine.

The lock is an flock on a file in the local state folder, so the kernel frees it
however its holder ends. Workers inherit it: where a driver was killed, the lock
stays taken until its workers, who notice their driver's end, are gone too, so that
two generations of workers never share a GPU. Two machines with one store are not
kept apart here; the store's conditional commits are enough for correctness.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.1


class RunBusyError(RuntimeError):
    """The run is at work on this machine already."""


class RunLock:
    """The lock of one run, taken; `descriptor` is to be inherited by workers."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def take(
        cls,
        path: Path,
        *,
        note: Callable[[str], None] = lambda _: None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> RunLock:
        """Take the lock, or raise `RunBusyError` naming the process that holds it.

        Where the holder is gone and only its workers hold on, they are waited for.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_seconds
        told = False
        while not _try(descriptor):
            holder = _holder(descriptor)
            if holder is not None and _alive(holder):
                os.close(descriptor)
                raise RunBusyError(
                    f"process {holder} on this machine is carrying out this run already: "
                    f"wait for it, or stop it with `kill {holder}`"
                )
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise RunBusyError(
                    f"the workers of an earlier `isheep run` (process {holder}, which is gone) "
                    f"have not ended after {wait_seconds:.0f} s: look for processes named "
                    "`isheep_worker serve` and end them"
                )
            if not told:
                note("waiting for the workers of an earlier isheep run to end")
                told = True
            time.sleep(_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let go; workers that still run hold on."""
        os.close(self.descriptor)


def holder_of(path: Path) -> int | None:
    """Return the process that carries out the run now, or None where none does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        holder = _holder(descriptor)
        return holder if holder is not None and _alive(holder) and not _try(descriptor) else None
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0)
    return int(text) if text.isdigit() else None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
