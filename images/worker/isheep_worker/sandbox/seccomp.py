"""The filter of system calls: what a program may ask of the kernel.

The filter is a list of what is allowed, because a list of what is forbidden is incomplete with each
new kernel. A program computes, uses memory and pipes, and reads files. It gets EPERM for sockets
and for new processes and threads, EROFS if it opens a file to write, and ENOSYS for every other
call. With ENOSYS for clone3, the C library falls back to clone, whose arguments a filter can see.

Some allowed calls also have a use that reaches another process: kill, prlimit64, and the owner of a
file's signals in fcntl. The filter compares their arguments. The process cannot be replaced
(execve), so the filter, the limits and the interpreter stay as they are.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping, Sequence

from isheep_worker.sandbox.kernel import prctl
from isheep_worker.sandbox.system_calls import Architecture, architecture

_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16
_X32_BIT = 0x40000000
_F_DUPFD_CLOEXEC = 1030

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_DESCRIPTOR_COMMANDS = (0, 1, 2, 3, _F_DUPFD_CLOEXEC)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL: they concern descriptors of this process only."""

REFUSED = ("socket", "socketpair", "clone", "fork", "vfork", "execve", "execveat")
"""The calls with EPERM. The other calls on sockets need a socket."""

ALLOWED = (
    *("access", "faccessat", "faccessat2", "stat", "fstat", "lstat", "newfstatat", "statx"),
    *("read", "pread64", "readv", "write", "writev", "lseek", "fadvise64", "close", "close_range"),
    *("getcwd", "getdents64", "readlink", "readlinkat", "dup", "dup2", "dup3", "pipe", "pipe2"),
    *("poll", "ppoll", "select", "pselect6", "eventfd2"),
    *("epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait"),
    *("brk", "mmap", "mprotect", "mremap", "munmap", "madvise", "membarrier"),
    *("futex", "set_robust_list", "set_tid_address", "rseq", "sched_yield", "sched_getaffinity"),
    *("arch_prctl", "exit", "exit_group", "pause", "restart_syscall"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack"),
    *("alarm", "getitimer", "setitimer", "nanosleep", "clock_nanosleep"),
    *("clock_getres", "clock_gettime", "gettimeofday", "time", "times"),
    *("getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getgroups"),
    *("getrandom", "getrlimit", "getrusage", "sysinfo", "uname"),
)

Instruction = tuple[int, int, int, int]
"""An instruction of a filter: code, steps to jump if true, steps to jump if false, operand."""


def restrict_system_calls() -> None:
    """Install the filter for this process, for good.

    Raises:
        OSError: The kernel has no such filters, or the machine's architecture is not known.
    """
    code = [struct.pack("=HBBI", *one) for one in filter_program(architecture(), os.getpid())]
    instructions = ctypes.create_string_buffer(b"".join(code))

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    program = _Program(len(code), ctypes.addressof(instructions))
    prctl(_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(program))


def filter_program(machine: Architecture, process: int) -> list[Instruction]:
    """Return the filter for the process with this id, in classic BPF."""
    found: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_EQUAL, 1, 0, machine.audit),
        _answer(_KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_AT_LEAST, 0, 1, _X32_BIT),
        _answer(_KILL_PROCESS),
    ]
    for name in ALLOWED:
        found += _case(machine, name, [_answer(_ALLOW)])
    for name in REFUSED:
        found += _case(machine, name, [_failure(errno.EPERM)])
    for name, body in _compared(process).items():
        found += _case(machine, name, body)
    return [*found, _failure(errno.ENOSYS)]


def _compared(process: int) -> Mapping[str, list[Instruction]]:
    """Return the instructions for the calls that depend on their arguments.

    The kernel reads 32 bits of each of these arguments, so the comparison does, too.
    """
    return {
        "open": _read_only(1),
        "openat": _read_only(2),
        "kill": _one_of(0, [process], errno.EPERM),
        "tgkill": _one_of(0, [process], errno.EPERM),
        "prlimit64": _one_of(0, [0, process], errno.EPERM),
        "fcntl": _one_of(1, _DESCRIPTOR_COMMANDS, errno.EPERM),
    }


def _case(machine: Architecture, name: str, body: Sequence[Instruction]) -> list[Instruction]:
    """Return the instructions that execute a body, which returns, for one call."""
    number = machine.numbers.get(name)
    return [] if number is None else [(_EQUAL, 0, len(body), number), *body]


def _read_only(argument: int) -> list[Instruction]:
    return [
        _load(argument),
        (_ANY_BIT, 0, 1, _WRITES),
        _failure(errno.EROFS),
        _answer(_ALLOW),
    ]


def _one_of(argument: int, values: Sequence[int], error: int) -> list[Instruction]:
    found = [_load(argument)]
    for value in values:
        found += [(_EQUAL, 0, 1, value), _answer(_ALLOW)]
    return [*found, _failure(error)]


def _load(argument: int) -> Instruction:
    """Load the low half of an argument; both architectures are little-endian."""
    return _LOAD, 0, 0, _ARGUMENTS_OFFSET + 8 * argument


def _answer(value: int) -> Instruction:
    return _RETURN, 0, 0, value


def _failure(number: int) -> Instruction:
    return _answer(_ERRNO | number)
