"""A process that imports the worker once and forks a child process for each order.

These tests kill stages many times. A process that imports torch takes ten seconds to start, but a
fork starts at once. Each line of stdin is a list of jobs that run in parallel, each with the fields
`order`, `shard` [index, count], and optionally `environment`, `stop_at` (a number of items that are
done), `stop_after_parts` (a number of stored parts), `kill_after` (seconds) and `training_process`
(a program that torchrun starts, with its arguments). A job with `pause_at`, a number of items,
stops there as a frozen node does. The next job, with `continue_at`, starts then, and lets the first
one go on when it has that number of items. Each line of stdout is a list of
`[return code, result or null]`.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import sys
import time
from typing import Any

import peft  # noqa: F401
import torch
from transformers import (  # noqa: F401
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
)

import isheep_worker.training.merge
import isheep_worker.training.trainer  # noqa: F401
from isheep.contract.order import StageOrder, dump_result
from isheep.recipes.stage_kinds import StageKind
from isheep_worker.engines import transformers_engine  # noqa: F401
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.logs import log_to_stderr
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress, Report
from isheep_worker.runtime.stopping import StopFlag
from isheep_worker.stages.registry import stage_program
from isheep_worker.training import distributed_launch

WITH_LM_EVAL = (StageKind.EVALUATE, StageKind.SCORE, StageKind.JUDGE, StageKind.VERDICT)
"""The stages that no child executes; their imports take seconds."""


def start(job: dict[str, Any]) -> tuple[int, int]:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        return pid, read_end
    os.environ.update(job.get("environment", {}))
    if "training_process" in job:
        distributed_launch._PROGRAM = tuple(job["training_process"])
    stop = StopFlag()

    stored: set[str] = set()
    pause_at, continue_at = (job.get(f"{name}_at") for name in ("pause", "continue"))

    def watch(report: Report) -> None:
        if report.detail.startswith("part "):
            stored.add(report.detail)
        enough = len(stored) >= job.get("stop_after_parts", float("inf"))
        nonlocal pause_at, continue_at
        if pause_at is not None and report.items_done >= pause_at:
            pause_at = None
            os.kill(os.getpid(), signal.SIGSTOP)
        if continue_at is not None and report.items_done >= continue_at:
            continue_at = None
            os.kill(job["paused"], signal.SIGCONT)
        if enough or report.items_done >= job.get("stop_at", float("inf")):
            stop.set()

    # Progress limits its reports by time. With this clock it makes every report.
    ticks = itertools.count(0, 10)
    progress = Progress(watch, lambda: float(next(ticks)))
    worker = Worker(stop, Meter(), progress, Shard(*job["shard"]))
    result = worker.run(StageOrder.model_validate(job["order"]))
    os.write(write_end, dump_result(result).encode())
    os._exit(result.exit_code)


def finish(pid: int, read_end: int) -> tuple[int, Any]:
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), json.loads(text) if text else None


def main() -> None:
    torch.set_num_threads(1)
    log_to_stderr()
    for kind in set(StageKind) - set(WITH_LM_EVAL):
        stage_program(kind)
    # A garbage collection in a child would copy the pages of all objects that it visits.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        jobs = json.loads(line)
        children: list[tuple[int, int]] = []
        for job in jobs:
            if "continue_at" in job:
                job["paused"], _ = children[-1]
                os.waitpid(job["paused"], os.WUNTRACED)
            children.append(start(job))
        for job, (pid, _) in zip(jobs, children, strict=True):
            if "kill_after" in job:
                time.sleep(job["kill_after"])
                os.kill(pid, signal.SIGKILL)
        sys.stdout.write(json.dumps([finish(*child) for child in children]) + "\n")
        sys.stdout.flush()


main()
