"""Calls of the kernel for which Python has no function, made through the C library."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

_SET_PARENT_DEATH_SIGNAL = 1
_SET_DUMPABLE = 4
_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522

_library = ctypes.CDLL(None, use_errno=True)
_library.syscall.restype = ctypes.c_long


def prctl(option: int, *arguments: Any) -> None:
    """Call prctl(2); raises `OSError`."""
    padded = [*arguments, *[ctypes.c_ulong(0)] * (4 - len(arguments))]
    _checked(_library.prctl(ctypes.c_int(option), *padded))


def system_call(number: int, *arguments: Any) -> int:
    """Make a system call and return its result; raises `OSError`."""
    return _checked(_library.syscall(ctypes.c_long(number), *arguments))


def forbid_new_privileges() -> None:
    """Let no later program of this process have more rights than the process (no_new_privs)."""
    prctl(_SET_NO_NEW_PRIVS, ctypes.c_ulong(1))


def end_with_parent(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends.

    The process ends at once if the parent, the process with this id, has already ended.
    """
    prctl(_SET_PARENT_DEATH_SIGNAL, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def hide_process() -> None:
    """Close this process's memory and environment in /proc to other processes of the same user."""
    prctl(_SET_DUMPABLE, ctypes.c_ulong(0))


def drop_capabilities() -> None:
    """Give up all capabilities, which only a process of root has."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    empty = (ctypes.c_uint32 * 6)()
    _checked(_library.capset(header, empty))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
