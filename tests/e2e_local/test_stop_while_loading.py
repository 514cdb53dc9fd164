"""A stop while a worker loads a model: the worker is killed, and the run ends soon.

The worker of `stopped_load` replaces the load by one that does not react to SIGTERM.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import psutil

from isheep.contract.exit_codes import ExitCode

from ..unit.isheep.local.conftest import LocalHarness, SkippedWaits

WORKER_COMMAND = (sys.executable, str(Path(__file__).with_name("stopped_load.py")))
SECONDS = 5
"""The longest time from SIGTERM to the end of the run."""


class StopInLoad(threading.Thread):
    """Requests a stop of the run as soon as a worker is in its load."""

    def __init__(self, harness: LocalHarness, waits: SkippedWaits) -> None:
        super().__init__(daemon=True)
        self._harness, self._waits = harness, waits
        self.workers: list[psutil.Process] = []
        self.stopped_at: datetime | None = None

    def run(self) -> None:
        while not self.workers:
            time.sleep(0.05)
            children = psutil.Process().children(recursive=True)
            self.workers = [child for child in children if _is_in_load(child)]
        self.stopped_at = self._waits()
        self._harness.stop()


def _is_in_load(process: psutil.Process) -> bool:
    try:
        return process.cmdline() == [*WORKER_COMMAND] and process.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:  # also a process that has ended and that nobody has awaited
        return False


def test_a_stop_while_a_model_is_loaded_waits_for_nothing(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    harness = LocalHarness(tmp_path, {**os.environ, "HF_HUB_OFFLINE": "1"})
    harness.command = WORKER_COMMAND
    harness.spec["model"] = {"storageUri": f"file://{tiny_model_dir}"}
    harness.inbox = waits = SkippedWaits()
    stop = StopInLoad(harness, waits)
    stop.start()

    conclusion = harness.run(clock=waits)

    assert harness.listener.started_stages == ["prepare", "i1/generate/r1"]
    assert (conclusion.end, conclusion.exit_code) == ("Stopped", ExitCode.STOPPED)
    assert harness.listener.ends[-1].stopped_at == "i1/generate/r1"
    assert stop.workers
    assert not any(worker.is_running() for worker in stop.workers)
    # This clock moves only if a wait ends without a message.
    assert stop.stopped_at is not None
    assert (waits() - stop.stopped_at).total_seconds() <= SECONDS
