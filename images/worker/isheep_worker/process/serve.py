"""The worker of `isheep run`: orders in on stdin, progress and results out, one engine between.

Each line of stdin is a `StageOrder`; the lines written are those of `channel.py`. The
original stdout carries them and nothing else: file descriptor 1 is turned to stderr
before any library can write to it. Consecutive orders with the same model find it loaded.

The end of stdin is the driver's end, wanted or not, so a driver keeps stdin open until
it has its last result. An order under way stops at its next safe point, and where none
comes within `GRACE_SECONDS` the process leaves without. SIGTERM stops it in the same way.
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

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError, StageResult, parse_order
from isheep_worker.process.channel import Channel
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.lean_imports import hide_scikit_learn
from isheep_worker.runtime.logs import log_to_stderr
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import bad_order, shard_from_environment
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

GRACE_SECONDS = 30.0
WARM_VARIABLE = "ISHEEP_WARM"
WARM_MODULES = ("torch", "transformers", "peft")
"""What every model stage imports: seconds, which a spare process spends before it is needed."""

# Lines and when they came. A SimpleQueue, because its `put` may be called from a signal handler.
Lines = queue.SimpleQueue[tuple[str, float] | None]


def serve(started: float) -> ExitCode:
    """Carry out orders until stdin ends or SIGTERM comes.

    `started` is when the process began, by time.monotonic.
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
    # Ctrl-C goes to the whole group; the driver answers it, and stops us as it sees fit.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_read, args=(sys.stdin, lines, stop), daemon=True).start()
    progress = Progress(channel.report)
    # The driver tells its workers their shares as a Job tells its pods.
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
    # The first order is why the process was started, so its start-up counts as loading;
    # of one that was started ahead of need, only what the order had to wait for.
    while (item := lines.get()) is not None:
        line, arrived = item
        before = time.monotonic() - (arrived if started is None else started)
        started = None
        channel.result(_carry_out(line, worker, before))


def _carry_out(line: str, worker: Worker, before: float) -> StageResult:
    try:
        order = parse_order(line)
    except ContractError as error:
        return bad_order(error)
    return worker.carry_out(order, before)


def _read(stream: Iterable[str], lines: Lines, stop: StopFlag) -> None:
    for line in stream:
        if line.strip():
            lines.put((line, time.monotonic()))
    stop.set()
    lines.put(None)
    time.sleep(GRACE_SECONDS)
    os._exit(ExitCode.STOPPED)


def _take_over_stdout() -> TextIO:
    """Return the original stdout as a stream, and turn descriptor 1 to stderr."""
    sys.stdout.flush()
    original = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(original, "w", encoding="utf-8")
