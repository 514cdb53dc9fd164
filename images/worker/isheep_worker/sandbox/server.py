"""The sandbox's process: it runs the programs that appear in a folder, one after the other.

One at a time, so that the container needs the memory of one program only. On a cluster the server
is the second container of the pod and ends when the kubelet stops it. On one machine it ends with
the worker that started it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from isheep_worker.sandbox.exchange import (
    READY,
    Folders,
    folders_of,
    names_in,
    read_program,
    write_verdict,
)
from isheep_worker.sandbox.kernel import hide_process
from isheep_worker.sandbox.limits import Limits
from isheep_worker.sandbox.process import UnconfinedError, Verdict, run_program

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1


def main() -> NoReturn:
    """Serve the folder in the arguments, on a machine with other processes of the same user."""
    serve(Path(sys.argv[1]), needs_landlock=True)
    sys.exit(0)


def serve_container(folder: str) -> NoReturn:
    """Serve a folder in a container of its own, until the kubelet stops it."""
    # Without a handler, the kernel drops a SIGTERM for process 1.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(Path(folder), needs_landlock=False)
    sys.exit(0)


def serve(folder: Path, *, needs_landlock: bool) -> None:
    """Run programs until the parent process ends.

    Args:
        folder: The folder of the exchange. The other side makes `programs` in it.
        needs_landlock: Whether other processes of the same user are on this machine, so that
            programs must not run on a kernel without Landlock.
    """
    hide_process()
    folders = folders_of(folder)
    folders.verdicts.mkdir(exist_ok=True)
    write_verdict(folders, READY, _readiness(needs_landlock))
    parent, pause = os.getppid(), _SHORTEST_PAUSE
    while os.getppid() == parent:
        worked = _serve_once(folders, needs_landlock)
        pause = _SHORTEST_PAUSE if worked else min(2 * pause, _LONGEST_PAUSE)
        time.sleep(pause)


def _readiness(needs_landlock: bool) -> Verdict:
    """Run an empty program, so that a machine that cannot confine one says so at once."""
    try:
        return run_program("", Limits(), needs_landlock=needs_landlock)
    except UnconfinedError as error:
        return Verdict(False, str(error))


def _serve_once(folders: Folders, needs_landlock: bool) -> bool:
    """Run the programs without a verdict, and remove verdicts that were read.

    Return whether there was such a program.
    """
    programs, verdicts = names_in(folders.programs), names_in(folders.verdicts)
    for name in set(verdicts) - set(programs):
        (folders.verdicts / name).unlink()
    waiting = sorted(set(programs) - set(verdicts))
    for name in waiting:
        try:
            program = read_program(folders, name)
        except FileNotFoundError:
            continue  # The worker does not wait for it any more.
        verdict = run_program(program.text, program.limits, needs_landlock=needs_landlock)
        write_verdict(folders, name, verdict)
    return bool(waiting)
