"""The worker of `isheep run`: it reads orders from stdin and writes progress and results.

Each line of stdin is an order or a request for room (`driver_lines`). The lines that the worker
writes are those of `channel.py`, and they are the only output on the original stdout: file
descriptor 1 is redirected to stderr before a library can write to it. One engine stays loaded from
order to order, so consecutive orders with the same model load it once.

The end of stdin means that the driver has ended, intended or not, so a driver keeps stdin open
until it has the last result. The order that is running then stops at its next safe point. If it
reaches none within `GRACE_SECONDS`, the process exits. SIGTERM stops the worker in the same way.
"""

from __future__ import annotations

import importlib
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterable
from typing import TextIO

from isheep.contract.driver_lines import RoomRequest, parse_driver_line
from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError
from isheep_worker.process.channel import Channel
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.failures import failed, failure_of
from isheep_worker.runtime.lean_imports import hide_scikit_learn
from isheep_worker.runtime.logs import log_to_stderr
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import shard_from_environment
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

GRACE_SECONDS = 30.0
WARM_VARIABLE = "ISHEEP_WARM"
WARM_MODULES = ("torch", "transformers", "peft")
"""The slow imports of every model stage; a spare process imports them before it gets an order."""

# Lines with their arrival times. It is a SimpleQueue because a signal handler may call its `put`.
Lines = queue.SimpleQueue[tuple[str, float] | None]


def serve(started: float) -> ExitCode:
    """Run orders until stdin ends or SIGTERM arrives.

    `started` is the time.monotonic at which the process began.
    """
    channel = Channel(_take_over_stdout())
    log_to_stderr()
    hide_scikit_learn()
    stop, terminated, lines = StopFlag(), StopFlag(), Lines()

    def on_sigterm(*_: object) -> None:
        terminated.set()
        stop.set()
        lines.put(None)

    signal.signal(signal.SIGTERM, on_sigterm)
    # Ctrl-C reaches the whole process group. The driver handles it and stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_read, args=(sys.stdin, lines, stop), daemon=True).start()
    progress = Progress(channel.report)
    # The driver sets the same variables for its workers as a Job does for its pods.
    shard = shard_from_environment(os.environ)
    worker = Worker(stop, Meter(on_change=progress.activity), progress, shard)
    try:
        warm = bool(os.environ.get(WARM_VARIABLE))
        if warm:
            for module in WARM_MODULES:
                importlib.import_module(module)
        _serve(lines, channel, worker, None if warm else started)
    finally:
        worker.close()
    return ExitCode.STOPPED if terminated.is_set() else ExitCode.DONE


def _serve(lines: Lines, channel: Channel, worker: Worker, started: float | None) -> None:
    # The process is usually started for its first order, so its start counts as load time of that
    # order. A spare process (`started` is None) was started earlier, and only the time that the
    # order waited in the queue counts.
    while (item := lines.get()) is not None:
        line, arrived = item
        before = time.monotonic() - (arrived if started is None else started)
        started = None
        _answer(line, channel, worker, before)


def _answer(line: str, channel: Channel, worker: Worker, before: float) -> None:
    try:
        message = parse_driver_line(line)
    except ContractError as error:
        channel.result(failed(failure_of(error)))
        return
    if isinstance(message, RoomRequest):
        channel.room(keeps=worker.make_room(message.order))
    else:
        channel.result(worker.run(message, before))


def _read(stream: Iterable[str], lines: Lines, stop: StopFlag) -> None:
    for line in stream:
        if line.strip():
            lines.put((line, time.monotonic()))
    stop.set()
    lines.put(None)
    time.sleep(GRACE_SECONDS)
    os._exit(ExitCode.STOPPED)


def _take_over_stdout() -> TextIO:
    """Return the original stdout as a stream, and redirect descriptor 1 to stderr."""
    sys.stdout.flush()
    original = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(original, "w", encoding="utf-8")
