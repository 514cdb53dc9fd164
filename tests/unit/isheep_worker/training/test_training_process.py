"""A training process does not outlive its worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_training_process_ends_if_its_worker_ended_while_it_started(tmp_path: Path) -> None:
    worker = subprocess.Popen(["true"])
    worker.wait()
    # Without the check, the process would wait for a writer of the task.
    os.mkfifo(tmp_path / "task.json")
    program = "isheep_worker.training.training_process"
    done = subprocess.run(
        [sys.executable, "-m", program, str(tmp_path), str(worker.pid)],
        env=os.environ | {"RANK": "0", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["task.json"]
