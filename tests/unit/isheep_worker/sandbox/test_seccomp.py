"""The filter of system calls, executed by a small interpreter of its instructions."""

from __future__ import annotations

import errno
import os

import pytest

from isheep_worker.sandbox.seccomp import filter_program
from isheep_worker.sandbox.system_calls import ARCHITECTURES

PROCESS = 77
ALLOW, KILL = 0x7FFF0000, 0x80000000
WORD = 0xFFFFFFFF


def answer(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """Return what the filter answers to a call; a failure is a negative error number."""
    architecture = ARCHITECTURES[machine]
    program = filter_program(architecture, PROCESS)
    data = {0: number, 4: architecture.audit if audit is None else audit}
    for place in range(6):
        value = arguments[place] if place < len(arguments) else 0
        data |= {16 + 8 * place: value & WORD, 20 + 8 * place: value >> 32 & WORD}
    position = accumulator = 0
    while True:
        code, if_true, if_false, operand = program[position]
        position += 1
        if code == 0x20:
            accumulator = data[operand]
        elif code == 0x06:
            return -(operand & 0xFFFF) if operand >> 16 == 0x0005 else operand
        else:
            holds = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: accumulator & operand != 0,
            }[code]
            position += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("read", (), ALLOW),
        ("writev", (), ALLOW),
        ("uname", (), ALLOW),
        ("socket", (), -errno.EPERM),
        ("clone", (), -errno.EPERM),
        ("execveat", (), -errno.EPERM),
        ("clone3", (), -errno.ENOSYS),
        ("landlock_restrict_self", (), -errno.ENOSYS),
        ("openat", (0, 0, os.O_RDONLY | os.O_CLOEXEC), ALLOW),
        ("openat", (0, 0, os.O_WRONLY), -errno.EROFS),
        ("openat", (0, 0, os.O_RDONLY | os.O_CREAT), -errno.EROFS),
        ("openat", (0, 0, os.O_RDONLY | os.O_TRUNC), -errno.EROFS),
        ("kill", (PROCESS, 9), ALLOW),
        ("kill", (PROCESS + 1, 9), -errno.EPERM),
        ("kill", (-PROCESS & (1 << 64) - 1, 9), -errno.EPERM),
        # The kernel reads 32 bits of a process's id.
        ("kill", (1 << 32 | PROCESS, 9), ALLOW),
        ("tgkill", (1, PROCESS, 9), -errno.EPERM),
        ("prlimit64", (0,), ALLOW),
        ("prlimit64", (PROCESS + 1,), -errno.EPERM),
        ("fcntl", (5, 1030), ALLOW),
        ("fcntl", (5, 8), -errno.EPERM),
    ],
)
def test_answers(machine: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    assert answer(machine, ARCHITECTURES[machine].numbers[name], *arguments) == expected


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_other_interfaces_of_the_kernel_end_the_process(machine: str) -> None:
    """A process on x86-64 can also make the calls of 32 bits and of x32, with other numbers."""
    read = ARCHITECTURES[machine].numbers["read"]
    assert answer(machine, read, audit=0x40000003) == KILL
    assert answer(machine, 0x40000000 | read) == KILL


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_jumps_stay_in_the_program(machine: str) -> None:
    program = filter_program(ARCHITECTURES[machine], PROCESS)
    assert len(program) < 4096
    for position, (_, if_true, if_false, _) in enumerate(program):
        assert 0 <= max(if_true, if_false) <= 255
        assert position + 1 + max(if_true, if_false) <= len(program)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_a_call_that_the_table_does_not_name_does_not_exist(machine: str) -> None:
    known = set(ARCHITECTURES[machine].numbers.values())
    for number in set(range(500)) - known:
        assert answer(machine, number) == -errno.ENOSYS
