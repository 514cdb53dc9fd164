"""One worker process: orders go in on its stdin, reports and results come out on its stdout.

A reader thread turns lines into messages on the driver's one queue, so the driver
is a single thread that waits in one place. The process stands in a session of its
own (Ctrl-C on the terminal reaches the driver only, which asks it to stop) and ends
when its stdin does, which is how it learns that its driver is gone. What it writes
to stderr goes to a log file, whose tail is the only message a killed process leaves.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from pydantic import ValidationError

from isheep.contract.order import StageOrder, StageResult, canonical_order
from isheep.local.affinity import Model, after, model_of, serves

TAIL_BYTES = 4096
TAIL_LINES = 12
END_SECONDS = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reported:
    """A worker says how far it is."""

    worker: Worker
    stage: str
    items_done: int
    items_total: int | None
    activity: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A worker ended an order."""

    worker: Worker
    result: StageResult
    exit_code: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker process is gone; `exit_code` is 128 + the signal where one killed it."""

    worker: Worker
    exit_code: int


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody wants the driver to stop."""


Message = Reported | Answered | Ended | StopRequested
Inbox = SimpleQueue[Message]


class Worker:
    """A running worker process."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        inbox: Inbox,
        inherit: Sequence[int] = (),
    ) -> None:
        self.log = log
        self._inbox = inbox
        self._loaded: Model | None = None
        self._busy = False
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(  # noqa: S603  our own command
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
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def blank(self) -> bool:
        """Whether the process has loaded no model so far."""
        return self._loaded is None

    @property
    def idle(self) -> bool:
        """Whether the process has no order."""
        return not self._busy

    def serves(self, order: StageOrder) -> bool:
        """Say whether the order may be given to this process."""
        return self.alive and serves(self._loaded, model_of(order))

    def send(self, order: StageOrder) -> None:
        """Hand over an order.

        A process that just died answers with `Ended`, not with an error here.
        """
        self._loaded = after(self._loaded, model_of(order))
        self._busy = True
        with suppress(BrokenPipeError):
            self._stdin.write(canonical_order(order).encode() + b"\n")
            self._stdin.flush()

    def answered(self) -> None:
        """Note that the order is over."""
        self._busy = False

    def stop(self) -> None:
        """Ask for a stop at the next safe point; the answer has exit code 143."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def dismiss(self) -> None:
        """Tell an idle process to end, at once where it has no model to put away."""
        if self.blank and self.idle:
            self.kill()
        with suppress(BrokenPipeError):
            self._stdin.close()

    def end(self) -> None:
        """End an idle process and wait until it, and with it its memory, is gone."""
        self.dismiss()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            logger.debug("worker %d did not end by itself", self._process.pid)
        self.kill()
        self._process.wait()
        self._reader.join()

    def tail(self) -> str:
        """Return the end of the log."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-TAIL_LINES:])

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101  Popen was given PIPE
        for line in stdout:
            message = self._parse(line)
            if message is None:
                logger.debug("worker %d wrote no message: %r", self._process.pid, line[:200])
            else:
                self._inbox.put(message)
        code = self._process.wait()
        # Its children (an engine's processes) must not outlive it and keep the device.
        self.kill()
        self._inbox.put(Ended(self, 128 - code if code < 0 else code))

    def _parse(self, line: bytes) -> Message | None:
        try:
            document = json.loads(line)
            if document["type"] == "progress":
                return Reported(
                    self,
                    str(document["stage"]),
                    int(document["itemsDone"]),
                    document.get("itemsTotal"),
                    str(document.get("activity", "")),
                    str(document.get("detail", "")),
                )
            if document["type"] == "result":
                result = StageResult.model_validate(document["result"])
                return Answered(self, result, int(document["exitCode"]))
        except (ValueError, KeyError, TypeError, ValidationError):
            return None
        return None
