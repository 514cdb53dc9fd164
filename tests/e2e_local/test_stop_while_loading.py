"""A stop while the real engine loads a model: the worker is killed, and the run ends soon.

A load in a library's own code does not react to SIGTERM for minutes. Here a SIGSTOP has the same
effect on the load of a tiny model.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil

from isheep.contract.exit_codes import ExitCode
from isheep.local.events import AttemptView
from isheep.local.session import WORKER_COMMAND

from ..unit.isheep.local.conftest import LocalHarness, RecordingListener, SkippedWaits

SECONDS = 5
"""The longest time from SIGTERM to the end of the run."""


class StopInLoad(RecordingListener):
    """Stops the run while the first engine loads its model, and lets no worker react to it."""

    def __init__(self, harness: LocalHarness, waits: SkippedWaits) -> None:
        super().__init__()
        self.on_progress = self._stop_in_load
        self._harness, self._waits = harness, waits
        self.stopped_at: Any = None
        self.workers: list[psutil.Process] = []

    def _stop_in_load(self, attempt: AttemptView) -> None:
        loads = attempt.workers[0].activity == "load"
        if attempt.stage == "prepare" or not loads or self.stopped_at is not None:
            return
        children = psutil.Process().children(recursive=True)
        self.workers = [child for child in children if _is_worker(child)]
        for worker in self.workers:
            worker.send_signal(signal.SIGSTOP)
        self.stopped_at = self._waits()
        self._harness.stop()


def _is_worker(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[1:] == [*WORKER_COMMAND[1:]]
    except psutil.NoSuchProcess:  # also a process that has ended and that nobody has awaited
        return False


def test_a_stop_while_a_model_is_loaded_waits_for_nothing(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    harness = LocalHarness(tmp_path, {**os.environ, "HF_HUB_OFFLINE": "1"})
    harness.command = WORKER_COMMAND
    harness.spec["model"] = {"storageUri": f"file://{tiny_model_dir}"}
    harness.inbox = waits = SkippedWaits()
    listener = harness.listener = StopInLoad(harness, waits)

    conclusion = harness.run(clock=waits)

    assert listener.started_stages == ["prepare", "i1/generate/r1"]
    assert (conclusion.end, conclusion.exit_code) == ("Stopped", ExitCode.STOPPED)
    assert listener.ends[-1].stopped_at == "i1/generate/r1"
    assert listener.workers
    assert not any(worker.is_running() for worker in listener.workers)
    # This clock moves only if a wait ends without a message.
    assert (waits() - listener.stopped_at).total_seconds() <= SECONDS
