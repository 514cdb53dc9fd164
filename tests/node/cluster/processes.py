"""Starts the cluster's programs in the background and stops them by pid.

The run folder has a record of each program: its pid and the clock tick of its start. If the
kernel has given the pid to another process, the ticks differ and no signal is sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cluster import settings
from cluster.commands import ClusterError

STOP_SECONDS = 20


def start(
    name: str, command: Sequence[str | Path], environment: dict[str, str] | None = None
) -> None:
    """Start a program in a new session; its output goes to a log in the state folder."""
    log_file = log(name)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    record = {"pid": process.pid, "started": _started(process.pid)}
    _record(name).write_text(json.dumps(record))


def stop(name: str) -> None:
    """Stop a program with SIGTERM, and with SIGKILL if it does not end in time."""
    if not is_running(name):
        _record(name).unlink(missing_ok=True)
        return
    pid = json.loads(_record(name).read_text())["pid"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if _wait(lambda: not is_running(name), STOP_SECONDS):
            break
    else:
        raise ClusterError(f"{name} (pid {pid}) does not end after SIGKILL; its log is {log(name)}")
    _record(name).unlink(missing_ok=True)


def is_running(name: str) -> bool:
    """Return whether the program that was started with this name still runs."""
    try:
        record = json.loads(_record(name).read_text())
    except FileNotFoundError:
        return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(record["pid"], os.WNOHANG)
    started = _started(record["pid"])
    return started is not None and started == record["started"]


def wait_for(what: str, names: Sequence[str], ready: Callable[[], bool], seconds: float) -> None:
    """Wait until `ready` returns true.

    Raises:
        ClusterError: A program has ended, or the time is over; the message has the logs' ends.
    """

    def decided() -> bool:
        return ready() or not all(is_running(name) for name in names)

    in_time = _wait(decided, seconds)
    if in_time and ready():
        return
    ended = [name for name in names if not is_running(name)]
    reason = f"{' and '.join(ended)} ended" if ended else f"not within {seconds:.0f} s"
    ends = "\n".join(f"{log(name)}:\n{tail(log(name))}" for name in ended or names)
    raise ClusterError(f"{what} did not become ready: {reason}\n{ends}")


def log(name: str) -> Path:
    """Return the file of a program's log."""
    return settings.state() / "logs" / f"{name}.log"


def tail(file: Path, characters: int = 2000) -> str:
    """Return the end of a log."""
    return file.read_text(errors="replace")[-characters:] if file.exists() else ""


def _record(name: str) -> Path:
    return settings.RUN_FOLDER / f"{name}.json"


def _started(pid: int) -> int | None:
    """Return the clock tick at which a process was started, or None if the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _wait(ready: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
