"""The process that a pod's supervisor starts: it runs the order of the environment.

An order for a whole run goes to the driver of `isheep run`, which starts other processes. Every
other order runs in this process.

Progress and the result go to the supervisor through a pipe, apart from the output of libraries.
The result is sent before the engine is closed, so that a runtime that hangs or crashes while it
shuts down does not lose the result of hours.
"""

from __future__ import annotations

import os
import signal
import time

from isheep.contract.order import ContractError
from isheep.local.inbox import StopRequested
from isheep.local.worker import Inbox
from isheep.store.outages import OUTAGES
from isheep_worker.process.channel import Channel
from isheep_worker.process.whole_run import execute_run
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.failures import failed, failure_of
from isheep_worker.runtime.lean_imports import hide_scikit_learn
from isheep_worker.runtime.logs import log_to_stderr
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import order_from_environment, shard_from_environment
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag


def work(pipe: int, started: float) -> int:
    """Run the environment's order, and report to the file descriptor of a pipe.

    `started` is the time.monotonic at which the process began. Returns the exit code.
    """
    log_to_stderr()
    hide_scikit_learn()
    stop, inbox = StopFlag(), Inbox()

    def on_sigterm(*_: object) -> None:
        stop.set()
        inbox.put(StopRequested())

    signal.signal(signal.SIGTERM, on_sigterm)
    # The processes that engines start must not inherit the pipe: they would keep it open after
    # the result.
    os.set_inheritable(pipe, False)
    channel = Channel(os.fdopen(pipe, "w", encoding="utf-8"))
    OUTAGES.listen(channel.waits)
    try:
        order = order_from_environment(os.environ)
        shard = shard_from_environment(os.environ)
    except ContractError as error:
        result = failed(failure_of(error))
        channel.result(result)
        return result.exit_code
    if order.walk is not None and order.walk.grouping == "Run":
        result = execute_run(
            order,
            order.walk,
            environment=os.environ,
            inbox=inbox,
            on_report=channel.report,
            on_commit=channel.committed,
        )
        channel.result(result)
        return result.exit_code
    progress = Progress(channel.report)
    meter = Meter(on_change=progress.activity)
    worker = Worker(stop, meter, progress, shard, on_commit=channel.committed)
    result = worker.run(order, time.monotonic() - started)
    channel.result(result)
    worker.close()
    return result.exit_code
