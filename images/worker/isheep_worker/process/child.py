"""The supervisor's side of the child process: start it, read it, stop it, and kill it in time.

Every event (a request to stop, the child's result, its end) goes through one queue to one loop.
A signal handler therefore only puts an event into the queue and cannot deadlock. The loop always
has a deadline for a child that does not respond: a child that is inside a C++ call when it
receives SIGTERM, a child that hangs after its result, and a child whose engine processes outlive
it and keep its pipe open.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from isheep.contract.order import StageResult, StepResult
from isheep_worker.process.channel import Waits, read_lines
from isheep_worker.process.log_tail import LogTail
from isheep_worker.runtime.progress import Report

COMMAND = (sys.executable, "-m", "isheep_worker", "work")
"""The command of the child. The number of the pipe's file descriptor is appended to it."""
SHUTDOWN_SECONDS = 30.0
"""The time in which a child must end after it has sent its result."""
_DRAIN_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


OnReport = Callable[[Report | StepResult | Waits], None]


class Event(Enum):
    """The events while a child is running."""

    STOP = "Stop"
    RESULT = "Result"
    END = "End"


# It is a SimpleQueue because a signal handler may call its `put`.
Events = queue.SimpleQueue[Event]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended; a negative return code is the number of the signal that ended it."""

    result: StageResult | None
    returncode: int
    stopped: bool
    """Whether the supervisor had requested a stop."""


def run_child(
    command: Sequence[str],
    events: Events,
    tail: LogTail,
    on_report: OnReport,
    stop_seconds: Callable[[], float],
) -> Ending:
    """Run a child until it ends; kill it `stop_seconds()` after the first STOP at the latest."""
    return _Child(command, events, tail, on_report).watch(stop_seconds)


class _Child:
    def __init__(
        self,
        command: Sequence[str],
        events: Events,
        tail: LogTail,
        on_report: OnReport,
    ) -> None:
        self._events = events
        self._tail = tail
        self._on_report = on_report
        self._result: StageResult | None = None
        read_end, write_end = os.pipe()
        # The child gets a new session, so that one signal also ends the processes of its engine.
        self._process = subprocess.Popen(  # noqa: S603 (our own program)
            [*command, str(write_end)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(write_end,),
            start_new_session=True,
        )
        os.close(write_end)
        self._readers = [
            threading.Thread(target=self._listen, args=(read_end,), daemon=True),
            threading.Thread(target=self._pump, daemon=True),
        ]
        for thread in (*self._readers, threading.Thread(target=self._wait, daemon=True)):
            thread.start()

    def watch(self, stop_seconds: Callable[[], float]) -> Ending:
        deadline: float | None = None
        stopped = False
        while (event := self._next(deadline)) is not Event.END:
            if event is None:
                _LOG.warning("the worker did not end in time: killing it")
                self._kill()
                deadline = None
                continue
            seconds = SHUTDOWN_SECONDS
            if event is Event.STOP:
                self._process.send_signal(signal.SIGTERM)
                if stopped:
                    continue
                stopped, seconds = True, stop_seconds()
            end = time.monotonic() + seconds
            deadline = end if deadline is None else min(deadline, end)
        self._kill()
        for thread in self._readers:
            thread.join(_DRAIN_SECONDS)
        return Ending(self._result, self._process.returncode, stopped)

    def _next(self, deadline: float | None) -> Event | None:
        """Return the next event, or None if there is none before the deadline."""
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return None

    def _kill(self) -> None:
        """Kill the child and the processes that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _wait(self) -> None:
        self._process.wait()
        self._events.put(Event.END)

    def _listen(self, read_end: int) -> None:
        with os.fdopen(read_end, "rb") as pipe:
            for line in read_lines(pipe):
                if isinstance(line, StageResult):
                    self._result = line
                    self._events.put(Event.RESULT)
                else:
                    self._on_report(line)

    def _pump(self) -> None:
        """Copy the child's output to this process's stderr, and keep its tail."""
        if self._process.stdout is None:
            return
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            self._tail.append(chunk)
            # The pipe must be read even if stderr is closed: a full pipe would block the child.
            with suppress(OSError):
                sys.stderr.buffer.write(chunk)
                sys.stderr.buffer.flush()
