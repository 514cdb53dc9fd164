"""Runs one program in a process of its own, and decides on the verdict."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from isheep_worker.sandbox.inside import CONFINED, FAILED, PASSED, Task
from isheep_worker.sandbox.interpreter import ENVIRONMENT, command
from isheep_worker.sandbox.limits import REPORT_BYTES, Limits

TIMED_OUT = "timed out"


class UnconfinedError(Exception):
    """This machine cannot confine a program, so the program did not run; the message says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a program came to its end, and otherwise why not, as a short text.

    The text contains the name of an exception, which the program can choose.
    """

    passed: bool
    result: str


def run_program(program: str, limits: Limits, *, needs_landlock: bool) -> Verdict:
    """Execute a program and return its verdict. Nothing of the program remains afterwards.

    Args:
        program: Python code that ends with an exception if its tests fail.
        limits: How much the program may use.
        needs_landlock: Whether the program must not run on a kernel without Landlock.

    Raises:
        UnconfinedError: The machine lacks what confines programs.
    """
    token = secrets.token_hex(16)
    task = Task(program, token, os.getpid(), limits.cpu_seconds, needs_landlock)
    given, report = os.memfd_create("task"), os.memfd_create("report")
    # The process cannot map a file that it can only write, nor remove O_APPEND later.
    appended = os.open(f"/proc/self/fd/{report}", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(given, json.dumps(asdict(task)).encode())
        os.lseek(given, 0, os.SEEK_SET)
        code, in_time = _finish(given, appended, limits.wall_seconds)
        lines = os.pread(report, REPORT_BYTES, 0).splitlines()
    finally:
        for descriptor in (given, report, appended):
            os.close(descriptor)
    return _verdict([_read(line, token) for line in lines[:2]], code, in_time=in_time)


def _verdict(report: Sequence[tuple[str, str]], code: int, *, in_time: bool) -> Verdict:
    """Return the verdict for the lines of a report, see `inside`; raises `UnconfinedError`."""
    begin, cause = report[0] if report else ("", f"the process ended early with code {code}")
    if begin != CONFINED:
        raise UnconfinedError(cause)
    end, cause = report[1] if len(report) > 1 else ("", "")
    if end == PASSED:
        return Verdict(True, PASSED)
    if end == FAILED:
        return Verdict(False, f"{FAILED}: {cause}")
    if not in_time or code == -signal.SIGXCPU:
        return Verdict(False, TIMED_OUT)
    return Verdict(False, f"{FAILED}: the process ended early with code {code}")


def _finish(given: int, report: int, seconds: float) -> tuple[int, bool]:
    """Run the process to its end; return its code, and whether it ended in time."""
    process = subprocess.Popen(  # noqa: S603 (the arguments are fixed)
        command("inside"),
        stdin=given,
        stdout=report,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=ENVIRONMENT,
        start_new_session=True,
    )
    ending = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(ending, select.POLLIN)
        in_time = bool(poll.poll(1000 * seconds))
        process.kill()
        return process.wait(), in_time
    finally:
        os.close(ending)


def _read(line: bytes, token: str) -> tuple[str, str]:
    """Return state and cause of a line; two empty texts if it is not a line of `inside`."""
    try:
        found, state, cause = json.loads(line)
    # Deeply nested JSON ends in a RecursionError.
    except (ValueError, TypeError, RecursionError):
        return "", ""
    valid = found == token and isinstance(state, str) and isinstance(cause, str)
    return (state, cause) if valid else ("", "")
