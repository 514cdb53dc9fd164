"""A sandbox on this machine, and one that another process serves, as the second container does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from isheep.contract.labels import SANDBOX_VARIABLE
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.sandbox import client
from isheep_worker.sandbox.client import Sandbox, SandboxError, open_sandbox, refusal
from isheep_worker.sandbox.exchange import (
    READY,
    Program,
    folders_of,
    names_in,
    write_program,
    write_verdict,
)
from isheep_worker.sandbox.interpreter import ENVIRONMENT, command
from isheep_worker.sandbox.limits import Limits
from isheep_worker.sandbox.process import Verdict

PASSED, FAILED = Verdict(True, "passed"), Verdict(False, "failed: AssertionError")


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a sandbox that runs as the pod's second container does."""
    monkeypatch.setenv(SANDBOX_VARIABLE, str(tmp_path))
    process = subprocess.Popen([sys.executable, "-m", "isheep_worker", "sandbox", str(tmp_path)])
    yield tmp_path
    process.terminate()
    assert process.wait(30) == 0


def test_verdicts_of_the_second_container(container: Path) -> None:
    with open_sandbox() as sandbox:
        assert sandbox.run(["x = 1", "assert False", "x = 2"], Limits()) == [PASSED, FAILED, PASSED]
        assert sandbox.run(["assert False"], Limits()) == [FAILED]
        assert sandbox.run([], Limits()) == []
    folders = folders_of(container)
    assert names_in(folders.programs) == []
    end = time.monotonic() + 30
    while names_in(folders.verdicts) and time.monotonic() < end:
        time.sleep(0.01)
    assert [one.name for one in folders.verdicts.iterdir()] == [READY]


def test_a_sandbox_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It has no variable of the worker, and nothing of it remains."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert refusal() is None
    me = psutil.Process()
    before = set(me.children())
    with open_sandbox() as sandbox:
        (server,) = set(me.children()) - before
        assert server.environ() == dict(ENVIRONMENT)
        too_long = "x = '" + "a" * (1 << 20) + "'"
        verdicts = sandbox.run(["x = 1", too_long], Limits())
    assert verdicts == [PASSED, Verdict(False, "failed: the program is too long")]
    assert set(me.children()) == before
    assert list(tmp_path.iterdir()) == []


def test_a_program_ends_with_its_sandbox(tmp_path: Path) -> None:
    """Also if the sandbox is killed; the sandbox itself ends with the worker."""
    folders = folders_of(tmp_path)
    folders.programs.mkdir()
    worker = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import subprocess, sys\n"
            f"subprocess.Popen({command('server', str(tmp_path))!r}).wait()",
        ],
        env=ENVIRONMENT,
    )
    write_program(folders, "0" * 32, Program("import time\ntime.sleep(600)", Limits(3, 600.0)))
    end = time.monotonic() + 60
    while not (folders.verdicts / READY).exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    (server,) = psutil.Process(worker.pid).children()
    while not (program := server.children()):
        assert time.monotonic() < end
        time.sleep(0.01)
    worker.kill()
    worker.wait()
    server.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs([server, *program], timeout=30)
    assert not alive


def test_a_machine_that_cannot_confine_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = folders_of(tmp_path)
    folders.verdicts.mkdir()
    write_verdict(folders, READY, Verdict(False, "Landlock does not work (too old)"))
    monkeypatch.setenv(SANDBOX_VARIABLE, str(tmp_path))
    with (
        pytest.raises(BadInputError, match=r"Landlock does not work \(too old\); use Linux"),
        open_sandbox(),
    ):
        pass
    assert "evaluation.allowCodeExecution" in (refusal() or "")


def test_a_sandbox_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SANDBOX_VARIABLE, str(tmp_path))
    monkeypatch.setattr(client, "_SLACK_SECONDS", -20.0)
    with pytest.raises(SandboxError, match="log of the container sandbox"), open_sandbox():
        pass
    folders = folders_of(tmp_path)
    folders.verdicts.mkdir()
    with pytest.raises(SandboxError):
        Sandbox(folders).run(["x = 1"], Limits())
    assert names_in(folders.programs) == []


def test_a_forged_verdict_ends_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no verdict does not count as one."""
    folders = folders_of(tmp_path)
    folders.programs.mkdir()
    folders.verdicts.mkdir()
    stop = threading.Event()

    def forge() -> None:
        while not stop.wait(0.005):
            for name in names_in(folders.programs):
                (folders.verdicts / name).write_text('{"passed": "yes", "result": ""}')

    forger = threading.Thread(target=forge)
    forger.start()
    try:
        with pytest.raises(SandboxError, match="the sandbox wrote no verdict"):
            Sandbox(folders).run(["x = 1"], Limits())
    finally:
        stop.set()
        forger.join()
    assert os.environ.get(SANDBOX_VARIABLE) is None
