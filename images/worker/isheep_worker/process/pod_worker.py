"""The child that a pod's supervisor starts: one order from the environment, one result back.

Progress and the result go to the supervisor through a pipe, kept apart from whatever
libraries print. The result is sent before the engine is closed: a runtime that hangs or
crashes while it shuts down must not take the result of hours with it.
"""

from __future__ import annotations

import os
import signal
import time

from isheep.contract.order import ContractError
from isheep_worker.process.channel import Channel
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.lean_imports import hide_scikit_learn
from isheep_worker.runtime.logs import log_to_stderr
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import (
    bad_order,
    order_from_environment,
    shard_from_environment,
)
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag


def work(pipe: int, started: float) -> int:
    """Carry out the environment's order, telling of it through a pipe's file descriptor.

    `started` is when the process began, by time.monotonic. Returns the exit code.
    """
    log_to_stderr()
    hide_scikit_learn()
    stop = StopFlag()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # Not for the processes that engines start: theirs would outlive the result.
    os.set_inheritable(pipe, False)
    channel = Channel(os.fdopen(pipe, "w", encoding="utf-8"))
    try:
        order = order_from_environment(os.environ)
        shard = shard_from_environment(os.environ)
    except ContractError as error:
        result = bad_order(error)
        channel.result(result)
        return result.exit_code
    progress = Progress(channel.report)
    worker = Worker(stop, Meter(on_change=progress.activity), progress, shard)
    result = worker.carry_out(order, time.monotonic() - started)
    channel.result(result)
    worker.close()
    return result.exit_code
