"""A child process with a chosen behaviour: `fake_child.py READY BEHAVIOUR PIPE`.

The child creates the file READY when it is running.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import Outcome, StageResult
from isheep_worker.process.channel import Channel
from isheep_worker.runtime.progress import Report

COMMITTED = StageResult(outcome=Outcome.COMMITTED)
STOPPED = StageResult(outcome=Outcome.FAILED, exit_code=ExitCode.STOPPED, reason="Stopped")


class FakeChild:
    def __init__(self, ready: Path, pipe: int) -> None:
        self.ready = ready
        self.stream = os.fdopen(pipe, "w", encoding="utf-8")
        self.channel = Channel(self.stream)

    def wait(self, file: str = "ready") -> None:
        self.ready.with_name(file).touch()
        while True:
            time.sleep(60)

    def await_file(self, name: str) -> None:
        self.ready.touch()
        while not self.ready.with_name(name).exists():
            time.sleep(0.01)

    def reports(self) -> None:
        self.channel.report(Report("i1/x", 64, 128, "engine", "d" * 300))
        os.write(1, b"to the log\n")
        self.await_file("continue")
        self.channel.report(Report("i1/x", 128, 128, "cpu", "part 2 of 2"))
        self.channel.result(COMMITTED)

    def garbage(self) -> None:
        odd = {"type": "progress", "stage": "i1/x", "itemsDone": "many", "activity": "sleep"}
        for line in ("", "no JSON", "[" * 100_000, "\x00" * 200_000, "{}", '"text"', "17"):
            self.stream.write(line + "\n")
        for document in (odd, {"type": "result", "result": {}}, {"type": "result"}):
            self.stream.write(json.dumps(document) + "\n")
        self.stream.flush()
        os.write(self.stream.fileno(), b"\xff\xfe\n")
        self.channel.report(Report("i1/x", 3, None, "load", ""))
        self.channel.result(COMMITTED)
        os.write(self.stream.fileno(), b'{"type": "resu')

    def only_garbage(self) -> None:
        self.stream.write('{"type": "result", "result": {"outcome": "Comm')

    def without_handler(self) -> None:
        self.wait()

    def ignores_sigterm(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.wait()

    def ignores_sigterm_after_its_result(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.channel.result(COMMITTED)
        self.wait()

    def stops(self, file: str = "ready") -> None:
        def on_sigterm(*_: object) -> None:
            self.channel.result(STOPPED)
            sys.exit(ExitCode.STOPPED)

        signal.signal(signal.SIGTERM, on_sigterm)
        self.wait(file)

    def stops_at_the_second_sigterm(self) -> None:
        def on_sigterm(*_: object) -> None:
            self.stops("stopped once")

        signal.signal(signal.SIGTERM, on_sigterm)
        self.wait()

    def leaves_a_process(self) -> None:
        """Exit by SIGKILL, and leave a process that keeps the pipe and the output open."""
        subprocess.Popen(["sleep", "600"], pass_fds=(self.stream.fileno(),))
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    getattr(FakeChild(Path(sys.argv[1]), int(sys.argv[3])), sys.argv[2])()
