"""`isheep` as a process: with a terminal, with a pipe whose reader ends, and with signals."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.unit.isheep.cli.conftest import FAKE_WORKER

from isheep.cli.app import BROKEN_PIPE

PROGRAM = f"""
import sys
from isheep.cli import main
from isheep.local import session
session.WORKER_COMMAND = (sys.executable, {str(FAKE_WORKER)!r})
sys.argv[0] = "isheep"
main()
"""
SECONDS = 50
"""Less than a worker gets to stop if it does not load a model."""


def start(*arguments: str, **streams) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], **streams)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen]]:
    made: list[subprocess.Popen] = []
    yield made
    for process in made:
        process.kill()
        process.communicate()


@pytest.fixture
def responding(shell, processes):
    """A function that starts a run, and returns its process when it executes i1/respond."""

    def start_run(behaviour: str) -> subprocess.Popen:
        (shell.control / "i1.respond.0").write_text(behaviour)
        process = start("run", "run.yaml", stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        while b"i1/respond: started" not in process.stdout.readline():
            pass
        return process

    return start_run


def read_until(terminal: int, text: str) -> str:
    seen = ""
    while text not in seen:
        seen += os.read(terminal, 4096).decode(errors="replace")
    return seen


def read_rest(terminal: int) -> str:
    seen = ""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux's answer after the last process has closed the terminal
            return seen
        seen += chunk.decode(errors="replace")


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("arguments", [("--help",), ("crd",), ("validate", "run.yaml")])
def test_a_reader_that_ends_early_gets_no_error_message(processes, arguments):
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = start(*arguments, stdout=write_end, stderr=subprocess.PIPE)
    processes.append(process)
    os.close(write_end)
    _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (BROKEN_PIPE, b"")


def test_ctrl_c_on_a_terminal_is_no_failure_and_the_run_is_interrupted(shell, processes):
    (shell.control / "i1.respond.0").write_text("hang")
    terminal, other = pty.openpty()
    process = start(
        "run", "run.yaml", stdin=other, stdout=other, stderr=other, start_new_session=True
    )
    processes.append(process)
    os.close(other)
    seen = read_until(terminal, "i1/respond")
    assert shell.status()["phase"] == "Running"
    # The terminal does not control the process, so the test sends the signal of Ctrl-C itself.
    os.kill(process.pid, signal.SIGINT)
    seen += read_rest(terminal)

    assert process.wait(timeout=SECONDS) == 143
    plain = " ".join(seen.split())
    assert "lamb: stopped in i1/respond; everything stored remains; run the same command" in plain
    assert "to resume: isheep run run.yaml" in plain
    assert "failed" not in plain
    assert "isheep: " not in plain
    assert shell.status()["phase"] == "Interrupted"
    assert shell("run", "run.yaml").exit_code == 0
    assert shell.status()["phase"] == "Succeeded"


def test_a_killed_run_is_interrupted(shell, responding):
    process = responding("hang")
    process.kill()
    process.wait()
    assert shell.status()["phase"] == "Interrupted"
    assert shell("status", "run.yaml").stdout.startswith("lamb: Interrupted")


def test_sigterm_does_not_wait_for_a_model_that_loads(responding):
    process = responding("load")
    process.terminate()
    assert process.wait(timeout=SECONDS) == 143
