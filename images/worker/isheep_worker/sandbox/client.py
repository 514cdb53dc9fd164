"""The worker's side of the sandbox: it sends programs and waits for their verdicts.

On a cluster the sandbox is the pod's second container, and the variable `ISHEEP_SANDBOX` has the
folder that both share. On one machine the worker starts the sandbox itself. Other processes of the
user are on that machine then, so programs run only if Landlock closes their files, and the worker
also closes its own memory and environment.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from isheep.contract.labels import SANDBOX_CONTAINER, SANDBOX_VARIABLE
from isheep.contract.reasons import Reason
from isheep_worker.runtime.errors import BadInputError, WorkerError
from isheep_worker.sandbox.exchange import (
    READY,
    ExchangeError,
    Folders,
    Program,
    folders_of,
    read_verdict,
    write_program,
)
from isheep_worker.sandbox.interpreter import ENVIRONMENT, command
from isheep_worker.sandbox.kernel import hide_process
from isheep_worker.sandbox.limits import Limits
from isheep_worker.sandbox.process import Verdict

_SLACK_SECONDS = 60.0
"""How long the sandbox may need besides the time of the programs, on a busy machine."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05


class SandboxError(WorkerError, RuntimeError):
    """The sandbox does not answer as it should; the message says what is wrong."""

    reason = Reason.DISK_OR_IO


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox."""

    folders: Folders

    def run(self, programs: Sequence[str], limits: Limits) -> list[Verdict]:
        """Execute programs and return their verdicts, in order.

        A program that is too long for the sandbox fails.

        Raises:
            SandboxError: The sandbox does not answer in time, or its answer is no verdict.
        """
        names = [secrets.token_hex(16) for _ in programs]
        early: dict[str, Verdict] = {}
        try:
            for name, text in zip(names, programs, strict=True):
                try:
                    write_program(self.folders, name, Program(text, limits))
                except ExchangeError:
                    early[name] = Verdict(False, "failed: the program is too long")
            seconds = _SLACK_SECONDS + len(names) * (1 + limits.wall_seconds)
            end = time.monotonic() + seconds
            return [early.get(name) or _verdict(self.folders, name, end) for name in names]
        finally:
            for name in names:
                (self.folders.programs / name).unlink(missing_ok=True)


@contextmanager
def open_sandbox() -> Iterator[Sandbox]:
    """Give the sandbox of this pod, or one on this machine that ends after the body.

    Raises:
        BadInputError: Programs cannot be confined here; the message says what is missing.
        SandboxError: The sandbox does not answer.
    """
    if shared := os.environ.get(SANDBOX_VARIABLE):
        yield _ready(folders_of(Path(shared)))
        return
    hide_process()
    with tempfile.TemporaryDirectory(prefix="isheep-sandbox-") as folder:
        process = subprocess.Popen(  # noqa: S603 (the arguments are fixed)
            command("server", folder), stdin=subprocess.DEVNULL, env=ENVIRONMENT
        )
        try:
            yield _ready(folders_of(Path(folder)))
        finally:
            process.kill()
            process.wait()


def refusal() -> str | None:
    """Return why generated code cannot run here; None if it can.

    Raises:
        SandboxError: The sandbox does not answer.
    """
    try:
        with open_sandbox():
            return None
    except BadInputError as error:
        return str(error)


def _ready(folders: Folders) -> Sandbox:
    """Return the sandbox when it runs; raises `BadInputError` if it cannot confine programs."""
    folders.programs.mkdir(exist_ok=True)
    state = _verdict(folders, READY, time.monotonic() + _SLACK_SECONDS)
    if not state.passed:
        raise BadInputError(
            f"generated code cannot be confined on this machine: {state.result}; use Linux 5.13 or "
            "newer with seccomp and Landlock, on x86-64 or 64-bit Arm, or remove "
            "evaluation.allowCodeExecution and the benchmarks that execute code"
        )
    return Sandbox(folders)


def _verdict(folders: Folders, name: str, end: float) -> Verdict:
    """Wait for a verdict until a time of the monotonic clock."""
    pause = _SHORTEST_PAUSE
    while True:
        try:
            found = read_verdict(folders, name)
        except ExchangeError as error:
            raise SandboxError(f"the sandbox wrote no verdict: {error}") from error
        if found is not None:
            return found
        if time.monotonic() > end:
            raise SandboxError(
                "the sandbox for generated code does not answer; on a cluster, see the log of the "
                f"container {SANDBOX_CONTAINER}"
            )
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
