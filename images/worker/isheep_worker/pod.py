"""The child that a pod's supervisor starts: one order from the environment, one result back.

The result goes to the supervisor through a pipe, one line, kept apart from whatever
libraries print, and before the engine is closed: a runtime that hangs or crashes
while it shuts down must not take the result of hours with it.
"""

from __future__ import annotations

import os
import signal
import time

from isheep.api.order import ContractError, StageResult, dump_result
from isheep_worker.contract import (
    bad_order,
    order_from_environment,
    shard_from_environment,
)
from isheep_worker.logs import log_to_stderr
from isheep_worker.meter import Meter
from isheep_worker.progress import Progress
from isheep_worker.stopping import StopFlag
from isheep_worker.worker import Worker


def work(result_fd: int, started: float) -> int:
    """Carry out the environment's order and write the result to a file descriptor.

    `started` is when the process began, by time.monotonic. Returns the exit code.
    """
    log_to_stderr()
    stop = StopFlag()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # Not for the processes that engines start: the supervisor waits for its end.
    os.set_inheritable(result_fd, False)
    try:
        order = order_from_environment(os.environ)
        shard = shard_from_environment(os.environ)
    except ContractError as error:
        return _leave(result_fd, bad_order(error))
    worker = Worker(stop, Meter(), Progress(lambda _: None), shard)
    code = _leave(result_fd, worker.carry_out(order, time.monotonic() - started))
    worker.close()
    return code


def _leave(result_fd: int, result: StageResult) -> int:
    with os.fdopen(result_fd, "w", encoding="utf-8") as pipe:
        pipe.write(dump_result(result) + "\n")
    return result.exit_code
