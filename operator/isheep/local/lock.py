"""The lock that allows one `isheep run` of a run at a time on one machine.

The lock is an flock on a file in the local state folder, so the kernel releases it when its holder
ends, even after a kill. Workers inherit the lock. If a driver is killed, its workers end soon, and
they hold the lock until then. So the workers of two drivers never share a GPU. The lock does not
exclude a second machine with the same store; the store's conditional commits are enough for
correctness.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from isheep.local.paths import LocalPaths

WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.1


class RunBusyError(RuntimeError):
    """Another process on this machine executes the run."""


class RunLock:
    """The lock of one run, held by this process; workers inherit `descriptor`."""

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
        """Take the lock.

        If the holder has ended and only its workers hold the lock, the method waits for them for
        up to `wait_seconds` and calls `note` once.

        Raises:
            RunBusyError: Another process holds the lock; the message names it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_seconds
        noted = False
        while not _try(descriptor):
            holder = _holder(descriptor)
            if holder is not None and _alive(holder):
                os.close(descriptor)
                raise RunBusyError(
                    f"process {holder} on this machine already executes this run: wait for its "
                    f"end, or stop it with `kill {holder}`"
                )
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise RunBusyError(
                    f"the workers of an earlier `isheep run` (process {holder}, which has ended) "
                    f"still run after {wait_seconds:.0f} s: find the processes named "
                    "`isheep_worker serve` and end them"
                )
            if not noted:
                note("waiting for the workers of an earlier isheep run to end")
                noted = True
            time.sleep(_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Release the lock of this process; workers that still run keep it."""
        os.close(self.descriptor)


def executing_process(uid: str, environment: Mapping[str, str]) -> int | None:
    """Return the id of the process of this machine that executes a run now, or None."""
    return holder_of(LocalPaths.of(uid, environment).lock)


def holder_of(path: Path) -> int | None:
    """Return the id of the process that executes the run now, or None if there is none."""
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
