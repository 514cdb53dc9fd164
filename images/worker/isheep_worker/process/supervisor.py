"""A pod's first process: it starts the work, watches it, and says truly how it ended.

vLLM and PyTorch answer every trouble with exit code 1, crash while they shut down, or
are killed by the kernel; Kubernetes, though, decides by the exit code whether to try
again. So the work runs in a child, and this process, which imports nothing that can
fail in such ways, sets the code. The child's own word counts where there is one: it
sends its result through a pipe before it shuts down. Without a result, a signal's
128 + n passes through and anything undesigned is a defect.

A pod that is deleted gets SIGTERM and, after its grace period, SIGKILL, which leaves no
word behind. So a child that does not stop in time is killed from here, a little before,
and the termination message is written before anything that could take long.

It also serves the child's progress and keeps its log. Both are for people and for
dashboards: where they fail, the work goes on without them.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError, StageOrder, StageResult, dump_result
from isheep_worker.engines.memory import says_out_of_memory
from isheep_worker.process.child import COMMAND, Ending, Event, Events, run_child
from isheep_worker.process.log_tail import TAIL_BYTES, LogTail, Uploader
from isheep_worker.process.progress_board import ProgressBoard
from isheep_worker.runtime.logs import log_to_stderr
from isheep_worker.runtime.orders import (
    DEFAULT_GRACE_SECONDS,
    DEFAULT_TERMINATION_LOG,
    GRACE_VARIABLE,
    HTTP_PORT_VARIABLE,
    TERMINATION_LOG_VARIABLE,
    Failure,
    Shard,
    bad_order,
    failed,
    order_from_environment,
    shard_from_environment,
)

LAST_SECONDS = 5.0
"""What is kept of the grace period for this process's own last acts."""
_FLUSH_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


def supervise(environment: Mapping[str, str] = os.environ, command: Sequence[str] = COMMAND) -> int:
    """Run the environment's order in a child and return the pod's exit code.

    `command` is the child's; another one is for tests.
    """
    events = Events()
    signal.signal(signal.SIGTERM, lambda *_: events.put(Event.STOP))
    # One that came before this line was held back, not lost: see `__main__`.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    log_to_stderr()
    try:
        order = order_from_environment(environment)
        shard = shard_from_environment(environment)
    except ContractError as error:
        result = bad_order(error)
        _write_termination_log(result, environment)
        return result.exit_code
    return _supervise(order, shard, events, environment, command)


def _supervise(
    order: StageOrder,
    shard: Shard,
    events: Events,
    environment: Mapping[str, str],
    command: Sequence[str],
) -> int:
    board = ProgressBoard(order, time.time())
    _serve_progress(board, environment)
    tail = LogTail(TAIL_BYTES)
    uploader = Uploader(order, shard, tail)
    uploader.start()
    grace = _grace_seconds(environment)
    last = min(LAST_SECONDS, grace / 2)
    ending = run_child(command, events, tail, board.update, grace - last)
    result = explained(verdict(ending), tail)
    _write_termination_log(result, environment)
    uploader.finish(last / 2 if ending.stopped else _FLUSH_SECONDS)
    return result.exit_code


def verdict(ending: Ending) -> StageResult:
    """Return what a child's end means."""
    if ending.result is not None:
        return ending.result
    if ending.stopped or ending.returncode == -signal.SIGTERM:
        return failed(
            Failure(ExitCode.STOPPED, "Stopped", "stopped on request; what is stored stays")
        )
    return failed_without_result(ending.returncode)


def failed_without_result(returncode: int) -> StageResult:
    """Return what a return code means that came with no result and on no request."""
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


def _grace_seconds(environment: Mapping[str, str]) -> float:
    text = environment.get(GRACE_VARIABLE, str(DEFAULT_GRACE_SECONDS))
    if text.isdecimal() and int(text) > 0:
        return float(text)
    _LOG.warning(
        "%s=%r is no whole number of seconds above 0; taking %d",
        GRACE_VARIABLE,
        text,
        DEFAULT_GRACE_SECONDS,
    )
    return float(DEFAULT_GRACE_SECONDS)


def _serve_progress(board: ProgressBoard, environment: Mapping[str, str]) -> None:
    port = environment.get(HTTP_PORT_VARIABLE)
    if not port:
        return
    try:
        # Imported here, because what only dashboards need must not be able to end the work.
        from isheep_worker.process.progress_server import serve_progress  # noqa: PLC0415

        serve_progress(board, int(port))
    except (ImportError, OSError, OverflowError, ValueError) as error:
        _LOG.warning("progress is not served, %s=%s: %s", HTTP_PORT_VARIABLE, port, error)


def _write_termination_log(result: StageResult, environment: Mapping[str, str]) -> None:
    path = Path(environment.get(TERMINATION_LOG_VARIABLE, DEFAULT_TERMINATION_LOG))
    try:
        # Smaller than any buffer, so it is one write: who reads finds all of it or nothing.
        path.write_text(dump_result(result), encoding="utf-8")
    except OSError as error:
        _LOG.warning("the result cannot be left at %s: %s", path, error)
