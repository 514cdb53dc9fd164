"""The process of one program: it gives up its rights, executes the program, and reports.

It runs in a new interpreter without site packages and without an environment. Standard input is a
file with the program, and standard output is the file for the report. Both are in memory. To the
report, the process can only append: first a line that it is confined, and then a line with the
outcome. So no program can deny the first line.

A program runs in the same interpreter as its tests, so it can always claim that they pass. The
token in the report only keeps a program from passing by accident, for example with `os._exit(0)`.
No program can reach the verdict of another one.
"""

from __future__ import annotations

import json
import os
import random
import sys
from dataclasses import dataclass
from typing import NoReturn

from isheep_worker.sandbox import limits
from isheep_worker.sandbox.kernel import (
    drop_capabilities,
    end_with_parent,
    forbid_new_privileges,
    hide_process,
)
from isheep_worker.sandbox.landlock import restrict_reading
from isheep_worker.sandbox.seccomp import restrict_system_calls

CONFINED, UNCONFINED = "confined", "unconfined"
PASSED, FAILED = "passed", "failed"
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
_NAME_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Task:
    """What the process reads: the program, its limit of time, and a token for the report.

    `parent` is the id of the process that waits for the report, without which this one ends. With
    `needs_landlock`, the program does not run on a kernel without Landlock.
    """

    program: str
    token: str
    parent: int
    cpu_seconds: int
    needs_landlock: bool


def main() -> NoReturn:
    """Read the task, execute its program without rights, write the report, and end."""
    with open(0, "rb", closefd=False) as file:
        task = Task(**json.loads(file.read()))
    report = os.dup(1)

    def write(state: str, cause: str = "") -> None:
        os.write(report, json.dumps([task.token, state, cause]).encode() + b"\n")

    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    try:
        _give_up_rights(task)
    except OSError as error:
        write(UNCONFINED, str(error))
        os._exit(1)
    write(CONFINED)
    error_name = _execute(task.program)
    write(PASSED if error_name is None else FAILED, error_name or "")
    os._exit(0)


def _give_up_rights(task: Task) -> None:
    """Take all rights from this process that the program does not need; raises `OSError`."""
    os.environ.clear()
    end_with_parent(task.parent)
    hide_process()
    forbid_new_privileges()
    drop_capabilities()
    limits.apply(task.cpu_seconds)
    readable = [*sys.path, os.path.join(sys.base_prefix, "lib"), *_LIBRARIES]  # noqa: PTH118
    try:
        restrict_reading(readable)
    except OSError as error:
        if task.needs_landlock:
            raise OSError(f"Landlock does not work ({error})") from error
    try:
        restrict_system_calls()
    except OSError as error:
        raise OSError(f"the filter of system calls (seccomp) does not work ({error})") from error


def _execute(program: str) -> str | None:
    """Execute a program; return the name of the exception that ends it."""
    # A program that draws random numbers has the same result each time.
    random.seed(0)
    try:
        # The program must not inherit the __future__ imports of this module.
        code = compile(program, "<program>", "exec", dont_inherit=True)
        exec(code, {})  # noqa: S102 (the purpose)
    # Also SystemExit and KeyboardInterrupt: the tests did not come to their end.
    except BaseException as error:  # noqa: BLE001
        return type(error).__name__[:_NAME_CHARACTERS]
    return None
