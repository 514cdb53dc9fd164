"""The limits of a program: time, memory and files.

The kernel enforces them for the process. A limit on the number of processes (RLIMIT_NPROC) counts
all processes of a user, other pods' too, and does not apply to root. So `seccomp` refuses new
processes and threads instead.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

MEMORY_BYTES = 1 << 30
REPORT_BYTES = 4096
_OPEN_FILES = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a program may use.

    `cpu_seconds` is the time on a processor, so that a verdict does not depend on other work of the
    machine. A program that waits uses none, so its process also ends after `wall_seconds`.
    """

    cpu_seconds: int = 3
    wall_seconds: float = 12.0


def apply(cpu_seconds: int) -> None:
    """Apply the limits of the kernel to this process, for good.

    The largest file is that of the process's report. The process can write no other file.
    """
    for kind, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, REPORT_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        resource.setrlimit(kind, (value, value))
    # The first limit sends SIGXCPU, which a program can ignore, and the second one SIGKILL.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
