"""The exit codes of the worker and of `isheep`.

The module imports nothing but the standard library, because `isheep --help` needs the codes and
must start quickly.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the worker and of `isheep`, the same for both."""

    DONE = 0
    BAD_INPUT = 64
    UNREACHABLE = 69
    DEFECT = 70
    DISK = 74
    """A disk, a device or its input and output failed; another attempt may succeed."""
    DEVICE_MEMORY = 80
    STOPPED = 143
