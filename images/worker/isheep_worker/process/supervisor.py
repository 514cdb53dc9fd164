"""The first process of a pod: it starts the worker as a child, and sets the pod's exit code.

vLLM and PyTorch end with exit code 1 for every error, crash while they shut down, or are killed by
the kernel. But Kubernetes decides by the exit code whether to retry. Therefore the worker runs in
a child, and this process, which imports no library that can crash, sets the exit code. The child
sends its result through a pipe before it shuts down, and that result decides. If there is no
result, a signal n gives the exit code 128 + n, and an exit code that is not an `ExitCode` is a
defect.

A pod that is deleted receives SIGTERM and, after its grace period, SIGKILL, after which nothing
can be written. Therefore this process kills a child that does not stop shortly before the grace
period ends, and it writes the termination message before every step that may take long.

The supervisor also serves the child's progress and uploads its log. Both are for people and
dashboards: if they fail, the child continues.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from isheep.contract.choices import GRACE_SECONDS
from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError, StageOrder, StageResult, dump_result
from isheep.contract.reasons import Reason
from isheep.logs import log_event
from isheep_worker.engines.memory import says_out_of_memory
from isheep_worker.process.child import COMMAND, Ending, Event, Events, run_child
from isheep_worker.process.log_tail import TAIL_BYTES, LogTail, Uploader
from isheep_worker.process.progress_board import ProgressBoard
from isheep_worker.runtime.device_failures import says_device_failed
from isheep_worker.runtime.failures import Failure, ended_by_signal, failed, failure_of
from isheep_worker.runtime.logs import log_to_stderr
from isheep_worker.runtime.meter import Activity
from isheep_worker.runtime.orders import (
    DEFAULT_TERMINATION_LOG,
    GRACE_VARIABLE,
    HTTP_PORT_VARIABLE,
    TERMINATION_LOG_VARIABLE,
    Shard,
    order_from_environment,
    shard_from_environment,
)

LAST_SECONDS = 5.0
"""The end of the grace period, which is reserved for the supervisor's last actions."""
LOAD_STOP_SECONDS = 3.0
"""How long a child that loads a model may take to stop: it has nothing to write yet."""
_FLUSH_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


def supervise(environment: Mapping[str, str] = os.environ, command: Sequence[str] = COMMAND) -> int:
    """Run the environment's order in a child and return the pod's exit code.

    Tests pass another `command` for the child.
    """
    events = Events()
    signal.signal(signal.SIGTERM, lambda *_: events.put(Event.STOP))
    # `__main__` blocked SIGTERM, so a signal that has already arrived is delivered now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    log_to_stderr()
    try:
        order = order_from_environment(environment)
        shard = shard_from_environment(environment)
    except ContractError as error:
        result = failed(failure_of(error))
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

    def stop_seconds() -> float:
        loads = board.report.activity == Activity.LOAD
        return min(LOAD_STOP_SECONDS, grace - last) if loads else grace - last

    ending = run_child(command, events, tail, board.update, stop_seconds)
    result = with_cause_in_log(verdict(ending), tail)
    _write_termination_log(result, environment)
    log_event(
        _LOG,
        logging.INFO,
        "worker ended",
        run=order.run.name,
        stage=order.steps[0].id,
        attempt=order.attempt,
        seconds=round(time.time() - board.started_at, 3),
        outcome=result.outcome,
        exit_code=result.exit_code,
        reason=result.reason,
    )
    uploader.finish(last / 2 if ending.stopped else _FLUSH_SECONDS)
    return result.exit_code


def verdict(ending: Ending) -> StageResult:
    """Return the result for the end of a child: its own result if it has sent one."""
    if ending.result is not None:
        return ending.result
    if ending.stopped or ending.returncode == -signal.SIGTERM:
        return failed(
            Failure.of(
                Reason.STOPPED, "stopped on request; committed stages and stored parts remain"
            )
        )
    return failed_without_result(ending.returncode)


def failed_without_result(returncode: int) -> StageResult:
    """Return the result for a child that ended without a result and without a request to stop."""
    if returncode < 0:
        return failed(ended_by_signal("the worker", -returncode))
    designed = returncode != ExitCode.DONE and returncode in set(ExitCode)
    return failed(
        Failure(
            ExitCode(returncode) if designed else ExitCode.DEFECT,
            Reason.DEFECT,
            f"the worker ended with code {returncode} and without a result; read its log",
        )
    )


def with_cause_in_log(result: StageResult, tail: LogTail) -> StageResult:
    """Return the result with the right reason if only the log has the cause.

    If the core of an engine is a separate process, the engine reports "failed to start" or "dead",
    and only the output of that process shows that the device failed or that its memory is full.
    """
    if result.reason not in (Reason.DEFECT, Reason.DEVICE_FAILED):
        return result
    log = tail.content().decode(errors="replace")
    if says_out_of_memory(log):
        message = f"the log reports that the device's memory is exhausted ({result.message})"
        return failed(Failure.of(Reason.OUT_OF_DEVICE_MEMORY, message))
    if result.reason == Reason.DEFECT and says_device_failed(log):
        message = f"the log reports that a device failed ({result.message})"
        return failed(Failure.of(Reason.DEVICE_FAILED, message))
    return result


def _grace_seconds(environment: Mapping[str, str]) -> float:
    text = environment.get(GRACE_VARIABLE, str(GRACE_SECONDS))
    if text.isdecimal() and int(text) > 0:
        return float(text)
    _LOG.warning(
        "%s=%r is not a whole number of seconds above 0: using %d",
        GRACE_VARIABLE,
        text,
        GRACE_SECONDS,
    )
    return float(GRACE_SECONDS)


def _serve_progress(board: ProgressBoard, environment: Mapping[str, str]) -> None:
    port = environment.get(HTTP_PORT_VARIABLE)
    if not port:
        return
    try:
        # Imported here so that a package which only dashboards need cannot end the worker.
        from isheep_worker.process.progress_server import serve_progress  # noqa: PLC0415

        serve_progress(board, int(port))
    except (ImportError, OSError, OverflowError, ValueError) as error:
        _LOG.warning("progress is not served, %s=%s: %s", HTTP_PORT_VARIABLE, port, error)


def _write_termination_log(result: StageResult, environment: Mapping[str, str]) -> None:
    path = Path(environment.get(TERMINATION_LOG_VARIABLE, DEFAULT_TERMINATION_LOG))
    try:
        # The text is smaller than any buffer, so it is one write: a reader sees all of it or none.
        path.write_text(dump_result(result), encoding="utf-8")
    except OSError as error:
        _LOG.warning("the result is not written to %s: %s", path, error)
