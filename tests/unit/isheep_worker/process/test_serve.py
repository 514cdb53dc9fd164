"""The local worker from the driver's side: orders in, progress and results out, one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from isheep.contract.driver_lines import room_line
from isheep.contract.order import StageOrder, StageResult, canonical_order


class Served:
    """A worker process, and the lines that it has written so far."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "isheep_worker", "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )
        self.lines: list[dict[str, Any]] = []

    def send(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def read(self, kind: str) -> dict[str, Any]:
        """Read lines until the next line of a kind, and return it."""
        assert self.process.stdout is not None
        while True:
            line = json.loads(self.process.stdout.readline())
            self.lines.append(line)
            if line["type"] == kind:
                return line

    def run(self, order: StageOrder) -> StageResult:
        self.send(canonical_order(order))
        line = self.read("result")
        result = StageResult.model_validate(line["result"])
        assert line["exitCode"] == result.exit_code
        return result

    def end(self) -> int:
        self.process.communicate()
        return self.process.returncode


@pytest.fixture
def served() -> Iterator[Served]:
    worker = Served()
    yield worker
    worker.process.kill()
    worker.end()


def test_an_invalid_line_and_an_invalid_order_get_a_result_and_the_end_of_stdin_ends_the_worker(
    served, make_order
) -> None:
    served.send("{}")
    assert served.read("result")["exitCode"] == 64
    result = served.run(make_order("dance"))
    assert (result.exit_code, result.reason) == (64, "BadOrder")
    # Without a model and without an engine, nothing can stay during a training.
    served.send(room_line(make_order("train")))
    assert served.read("room") == {"type": "room", "keeps": False}
    assert served.end() == 0


def test_sigterm_ends_an_idle_worker(served) -> None:
    served.send("{}")
    served.read("result")
    served.process.send_signal(signal.SIGTERM)
    assert served.end() == 143
