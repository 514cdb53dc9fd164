"""A pod's first process: it starts the work, watches it, and says truly how it ended.

vLLM and PyTorch answer every trouble with exit code 1, crash while they shut down, or
are killed by the kernel; Kubernetes, though, decides by the exit code whether to try
again. So the work runs in a child, and this process, which imports nothing that can
fail in such ways, sets the code. The child's own word counts where there is one: it
sends its result through a pipe before it shuts down. Without a result, a signal's
128 + n passes through and anything undesigned is a defect.

It also keeps the tail of what the child prints and puts it into the store every
`UPLOAD_SECONDS`, because the kernel's memory killer leaves no time for that afterwards.
The log is for people: where the store cannot be reached, the pod ends without it.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from isheep.api.order import (
    ContractError,
    ExitCode,
    StageOrder,
    StageResult,
    dump_result,
    parse_result,
)
from isheep.store import open_store
from isheep.store.documents import RunDocuments
from isheep.store.interface import StoreError
from isheep_worker.contract import (
    DEFAULT_TERMINATION_LOG,
    TERMINATION_LOG_VARIABLE,
    Failure,
    Shard,
    bad_order,
    failed,
    order_from_environment,
    shard_from_environment,
)
from isheep_worker.engines.memory import says_out_of_memory
from isheep_worker.logs import log_to_stderr

UPLOAD_SECONDS = 30.0
TAIL_BYTES = 256 * 1024
SHUTDOWN_SECONDS = 30.0
"""How long a child that has sent its result may take to end."""
_FLUSH_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


def supervise(environment: Mapping[str, str] = os.environ) -> int:
    """Run the environment's order in a child and return the pod's exit code."""
    log_to_stderr()
    try:
        order = order_from_environment(environment)
        shard = shard_from_environment(environment)
    except ContractError as error:
        result = bad_order(error)
    else:
        tail = LogTail(TAIL_BYTES)
        uploader = Uploader(order, shard, tail)
        uploader.start()
        result = explained(_run_child(tail), tail)
        uploader.finish(_FLUSH_SECONDS)
    _write_termination_log(result, environment)
    return result.exit_code


class LogTail:
    """The last bytes of a log, in whole chunks."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._lock = threading.Lock()

    def append(self, chunk: bytes) -> None:
        """Add a chunk and forget the oldest ones beyond the limit."""
        with self._lock:
            self._chunks.append(chunk)
            self._size += len(chunk)
            while self._size - len(self._chunks[0]) >= self._limit:
                self._size -= len(self._chunks.popleft())

    def content(self) -> bytes:
        """Return the last bytes, at most the limit."""
        with self._lock:
            return b"".join(self._chunks)[-self._limit :]


class Uploader(threading.Thread):
    """Puts the log's tail into the store, again and again while it changes."""

    def __init__(self, order: StageOrder, shard: Shard, tail: LogTail) -> None:
        super().__init__(daemon=True)
        self._order = order
        self._file = log_file(order, shard)
        self._tail = tail
        self._ended = threading.Event()
        self._uploaded = b""

    def run(self) -> None:
        """Upload until the end is announced, and once more."""
        try:
            documents = RunDocuments(open_store(self._order.store), self._order.run)
            ended = False
            while not ended:
                ended = self._ended.wait(UPLOAD_SECONDS)
                self._upload(documents)
        except (StoreError, OSError, ValueError) as error:
            _LOG.warning("the log is not in the store: %s", error)

    def finish(self, seconds: float) -> None:
        """Announce the end and wait a little for the last upload."""
        self._ended.set()
        self.join(seconds)

    def _upload(self, documents: RunDocuments) -> None:
        content = self._tail.content()
        if content == self._uploaded:
            return
        try:
            documents.write(self._file, content)
            self._uploaded = content
        except StoreError as error:
            _LOG.warning("the log's tail could not be stored now: %s", error)


def log_file(order: StageOrder, shard: Shard) -> str:
    """Return the name of a worker's log among the run's documents."""
    stage = order.steps[0].id.replace("/", "-")
    return f"logs/{stage}-{order.attempt}-{shard.index}.log"


def _run_child(tail: LogTail) -> StageResult:
    read_end, write_end = os.pipe()
    # A session of its own, so that whatever the engine leaves behind can be ended with it.
    child = subprocess.Popen(  # noqa: S603 (our own program)
        [sys.executable, "-m", "isheep_worker", "work", str(write_end)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(write_end,),
        start_new_session=True,
    )
    os.close(write_end)
    # Before this line SIGTERM does nothing: process 1 of a pod ignores what it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGTERM))
    pump = threading.Thread(target=_pump, args=(child, tail), daemon=True)
    pump.start()
    with os.fdopen(read_end, encoding="utf-8") as pipe:
        message = pipe.readline()
    returncode = _wait(child, finished=bool(message))
    pump.join(1.0)
    return verdict(message, returncode)


def verdict(message: str, returncode: int) -> StageResult:
    """Return what a worker's end means, from its last word (maybe "") and its return code.

    A negative return code is the number of the signal that ended it.
    """
    result = parse_result(message) if message else None
    if result is not None:
        return result
    if returncode == -signal.SIGTERM:
        return failed(Failure(ExitCode.STOPPED, "Stopped", "stopped before it began"))
    if returncode < 0:
        name = signal.Signals(-returncode).name
        failure = Failure(ExitCode.DEFECT, "Killed", _KILLED.get(-returncode, f"ended by {name}"))
        return failed(failure).model_copy(update={"exit_code": 128 - returncode})
    designed = returncode != ExitCode.DONE and returncode in set(ExitCode)
    return failed(
        Failure(
            ExitCode(returncode) if designed else ExitCode.DEFECT,
            "Defect",
            f"the worker ended with code {returncode} and without a result; its log says why",
        )
    )


def explained(result: StageResult, tail: LogTail) -> StageResult:
    """Return the result, with the right code where only the log tells of device memory.

    An engine whose core is a process of its own says "failed to start"; why stands in
    what that process printed.
    """
    if result.reason != "Defect" or not says_out_of_memory(tail.content().decode(errors="replace")):
        return result
    message = f"the device's memory is exhausted, says the log ({result.message})"
    return failed(Failure(ExitCode.DEVICE_MEMORY, "OutOfDeviceMemory", message))


_KILLED: Mapping[int, str] = {
    signal.SIGKILL: "killed, most likely because the pod's memory limit was reached: "
    "raise resources.limits.memory of its pool"
}


def _wait(child: subprocess.Popen[bytes], *, finished: bool) -> int:
    """Wait for the child's end; one that has finished its work is given a limited time."""
    try:
        return child.wait(SHUTDOWN_SECONDS if finished else None)
    except subprocess.TimeoutExpired:
        _LOG.warning("the worker did not end after its result; killing it")
        return -signal.SIGKILL
    finally:
        _end_session(child)


def _end_session(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _pump(child: subprocess.Popen[bytes], tail: LogTail) -> None:
    """Pass the child's output on to this process's stderr, and keep its tail."""
    if child.stdout is None:
        return
    while chunk := os.read(child.stdout.fileno(), 65536):
        tail.append(chunk)
        sys.stderr.buffer.write(chunk)
        sys.stderr.buffer.flush()


def _write_termination_log(result: StageResult, environment: Mapping[str, str]) -> None:
    path = Path(environment.get(TERMINATION_LOG_VARIABLE, DEFAULT_TERMINATION_LOG))
    try:
        path.write_text(dump_result(result), encoding="utf-8")
    except OSError as error:
        _LOG.warning("the result cannot be left at %s: %s", path, error)
