"""One worker process: it reads orders from stdin and writes reports and results to stdout.

A reader thread turns the lines of stdout into messages on the driver's queue, so the driver is one
thread that waits in one place. The process runs in a separate session, so Ctrl-C on the terminal
reaches the driver only, and the driver stops the workers. The process ends when its stdin is
closed, which also happens when the driver ends. Its stderr is a log file. If the process is killed,
the end of this file is the only message.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from isheep.contract.driver_lines import room_line
from isheep.contract.order import StageOrder, StageResult, canonical_order
from isheep.local import inbox as queues
from isheep.local.affinity import Model, loaded_after, model_of, serves
from isheep.local.inbox import RoomAnswer, StopRequested

TAIL_BYTES = 4096
TAIL_LINES = 12
END_SECONDS = 5.0
ROOM_SECONDS = 60.0
"""How long an engine may take to free its GPU; its weights move into the memory of the host."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """A worker reports its progress in an order."""

    worker: Worker
    stage: str
    items_done: int
    items_total: int | None
    activity: str
    detail: str
    items_found: int = 0


@dataclass(frozen=True, slots=True)
class ResultReport:
    """A worker reports the result of an order."""

    worker: Worker
    result: StageResult
    exit_code: int


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """A worker process ended; `exit_code` is 128 + the signal if a signal ended it."""

    worker: Worker
    exit_code: int


Report = ProgressReport | ResultReport | ProcessEnd
Message = Report | StopRequested
Inbox = queues.Inbox[Report]


class Worker:
    """A running worker process. Without a log file, its stderr is the stderr of this process."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path | None,
        inbox: Inbox,
        inherit: Sequence[int] = (),
    ) -> None:
        self.log = log
        self._inbox = inbox
        self._loaded: Model | None = None
        self._busy = False
        self._answers = True
        with _opened(log) as stderr:
            self._process = subprocess.Popen(  # noqa: S603  the command is ours
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=dict(environment),
                start_new_session=True,
                pass_fds=inherit,
            )
        self._reader = threading.Thread(
            target=self._read, name=f"worker-{self._process.pid}", daemon=True
        )
        self._reader.start()

    @property
    def alive(self) -> bool:
        """True if the process runs."""
        return self._process.poll() is None

    @property
    def blank(self) -> bool:
        """True if the process has not loaded a model yet."""
        return self._loaded is None

    @property
    def idle(self) -> bool:
        """True if the process has no order."""
        return not self._busy

    def serves(self, order: StageOrder) -> bool:
        """Return True if this process can execute the order."""
        return self.alive and serves(self._loaded, model_of(order))

    def send(self, order: StageOrder) -> None:
        """Send an order to the process.

        If the process has just ended, its reader sends a `ProcessEnd`, and this method raises
        nothing.
        """
        self._loaded = loaded_after(self._loaded, model_of(order))
        self._busy = True
        self._write(canonical_order(order))

    def make_room(self, order: StageOrder) -> bool:
        """Ask an idle process to free its GPU for a training in another process.

        A request to stop ends the wait for the answer.

        Returns:
            Whether the process keeps its engine, which a later order will use. If it is False, end
            the process.
        """
        if not self._answers or self._loaded is None or not self._loaded.adapters:
            return False
        if self._inbox.has_stop:  # the process ends sooner if it does not free its GPU first
            return False
        self._write(room_line(order))
        return self._inbox.room_answer(self, ROOM_SECONDS)

    def finish_order(self) -> None:
        """Mark the process as idle after the end of its order."""
        self._busy = False

    def stop(self) -> None:
        """Request a stop at the next safe point; the result then has exit code 143."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process and all processes that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def request_end(self) -> None:
        """Request the end of an idle process; kill it if it has loaded no model."""
        if self.blank and self.idle:
            self.kill()
        with suppress(BrokenPipeError):
            self._stdin.close()

    def end(self) -> None:
        """End an idle process, and wait until it has released its memory."""
        self.request_end()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            logger.debug("worker %d did not end after its stdin was closed", self._process.pid)
        self.kill()
        self._process.wait()
        self._reader.join()

    def tail(self) -> str:
        """Return the last lines of the log file; "" without one."""
        if self.log is None:
            return ""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-TAIL_LINES:])

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    def _write(self, line: str) -> None:
        with suppress(BrokenPipeError):
            self._stdin.write(line.encode() + b"\n")
            self._stdin.flush()

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101  Popen was given PIPE
        for line in stdout:
            message = self._parse(line)
            if message is None:
                logger.debug("worker %d wrote a line that is not a message", self._process.pid)
            else:
                self._inbox.put(message)
        # In this order, a request for room either finds the flag or gets the answer.
        self._answers = False
        self._inbox.put(RoomAnswer(self, keeps=False))
        code = self._process.wait()
        # An engine's child processes must not outlive the worker, because they hold the device.
        self.kill()
        self._inbox.put(ProcessEnd(self, 128 - code if code < 0 else code))

    def _parse(self, line: bytes) -> Report | RoomAnswer | None:
        """Return the message of a line."""
        try:
            document = json.loads(line)
            if document["type"] == "room":
                return RoomAnswer(self, bool(document["keeps"]))
            if document["type"] == "progress":
                return ProgressReport(
                    self,
                    str(document["stage"]),
                    int(document["itemsDone"]),
                    document.get("itemsTotal"),
                    str(document.get("activity", "")),
                    str(document.get("detail", "")),
                    int(document.get("itemsFound", 0)),
                )
            if document["type"] == "result":
                result = StageResult.model_validate(document["result"])
                return ResultReport(self, result, int(document["exitCode"]))
        except (ValueError, KeyError, TypeError, ValidationError):
            return None
        return None


def _opened(log: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    """Return the log file opened for a process, with its folder; None stays None."""
    if log is None:
        return nullcontext()
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")
