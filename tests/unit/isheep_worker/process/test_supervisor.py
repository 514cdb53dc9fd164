"""The exit code and the termination message of a pod, for every end of its child."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import Outcome, StageResult, canonical_order
from isheep.store.folder import FolderStore
from isheep_worker.process.child import Ending
from isheep_worker.process.log_tail import LogTail
from isheep_worker.process.supervisor import verdict, with_cause_in_log
from isheep_worker.runtime.orders import (
    GRACE_VARIABLE,
    HTTP_PORT_VARIABLE,
    ORDER_VARIABLE,
    TERMINATION_LOG_VARIABLE,
)

COMMITTED = StageResult(outcome=Outcome.COMMITTED)
FULL = StageResult(outcome=Outcome.FAILED, exit_code=74, reason="DiskFull")
FAKE = [sys.executable, str(Path(__file__).with_name("fake_child.py"))]
# Like `python -m isheep_worker`, with a fake child if there is a command. The supervisor kills a
# child that hangs after its result sooner. It waits longer for the last lines of a child and for
# the upload of the log, which a busy machine delays.
SUPERVISE = """
import sys
from isheep_worker.process import child, supervisor
child.SHUTDOWN_SECONDS = 0.5
child._DRAIN_SECONDS = 500.0
supervisor._FLUSH_SECONDS = 500.0
from isheep_worker.__main__ import main
command = sys.argv[1:]
sys.exit(supervisor.supervise(command=command) if command else main([]))
"""


@pytest.mark.parametrize(
    ("result", "returncode", "stopped", "exit_code", "reason"),
    [
        (COMMITTED, 0, False, 0, None),
        (COMMITTED, 1, False, 0, None),  # a runtime that crashes while it shuts down
        (COMMITTED, -signal.SIGSEGV, False, 0, None),
        (COMMITTED, -signal.SIGKILL, True, 0, None),
        (FULL, 1, False, 74, "DiskFull"),
        (FULL, -signal.SIGKILL, True, 74, "DiskFull"),
        (None, -signal.SIGKILL, False, 137, "Killed"),
        (None, -signal.SIGKILL, True, ExitCode.STOPPED, "Stopped"),
        (None, -signal.SIGSEGV, False, 139, "Killed"),
        (None, -signal.SIGTERM, False, ExitCode.STOPPED, "Stopped"),
        (None, 1, True, ExitCode.STOPPED, "Stopped"),
        (None, 0, False, ExitCode.DEFECT, "Defect"),
        (None, 1, False, ExitCode.DEFECT, "Defect"),
        (None, 64, False, ExitCode.BAD_INPUT, "Defect"),
    ],
)
def test_the_exit_code_follows_from_the_result_the_return_code_and_the_stop(
    result: StageResult | None, returncode: int, stopped: bool, exit_code: int, reason: str | None
) -> None:
    found = verdict(Ending(result, returncode, stopped))
    assert (found.exit_code, found.reason) == (exit_code, reason)


@pytest.mark.parametrize(
    ("reason", "log", "exit_code"),
    [
        ("Defect", b"torch.OutOfMemoryError: CUDA out of memory", ExitCode.DEVICE_MEMORY),
        ("Defect", b"KeyError: 'x'", ExitCode.DEFECT),
        ("Defect", b"CUDA error: uncorrectable ECC error encountered", ExitCode.DISK),
        ("DeviceFailed", b"torch.OutOfMemoryError: CUDA out of memory", ExitCode.DEVICE_MEMORY),
        ("BadInput", b"CUDA error: uncorrectable ECC error", ExitCode.DEFECT),
        ("BadInput", b"CUDA out of memory", ExitCode.DEFECT),
    ],
)
def test_the_log_can_have_the_cause_of_a_defect(reason, log, exit_code) -> None:
    tail = LogTail(1000)
    tail.append(log)
    result = StageResult(outcome=Outcome.FAILED, exit_code=70, reason=reason, message="x")
    assert with_cause_in_log(result, tail).exit_code == exit_code


class Pod:
    """A supervisor process; with a behaviour, its child is a fake child."""

    def __init__(
        self, folder: Path, order: str, behaviour: str | None = None, **variables: str
    ) -> None:
        self.folder = folder
        self.log = folder / "termination-log"
        self.log.touch()
        fake = [] if behaviour is None else [*FAKE, str(folder / "ready"), behaviour]
        environment = os.environ | {
            ORDER_VARIABLE: order,
            TERMINATION_LOG_VARIABLE: str(self.log),
            "OMP_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, *fake],
            env=environment | variables,
            stderr=subprocess.PIPE,
        )

    def await_file(self, name: str = "ready") -> None:
        while not (self.folder / name).exists():
            assert self.process.poll() is None
            time.sleep(0.01)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def end(self) -> tuple[int, StageResult, str]:
        _, stderr = self.process.communicate()
        result = StageResult.model_validate(json.loads(self.log.read_text()))
        assert result.exit_code == self.process.returncode
        return self.process.returncode, result, stderr.decode()


@pytest.fixture
def pod(make_order, tmp_path: Path) -> Iterator[Callable[..., Pod]]:
    pods = []

    def start(behaviour: str | None, kind: str = "select", **variables: str) -> Pod:
        store = tmp_path / "store"
        order = canonical_order(make_order(kind, store=store))
        pods.append(Pod(tmp_path, order, behaviour, **variables))
        return pods[-1]

    yield start
    for one in pods:
        one.close()


def progress(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/progress", timeout=300) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def test_a_pod_with_an_invalid_order_ends_with_bad_input(tmp_path: Path) -> None:
    code, result, _ = Pod(tmp_path, "{}").end()
    assert code == ExitCode.BAD_INPUT
    assert result.reason == "BadOrder"


def test_a_pod_reports_the_failure_of_its_child(pod, tmp_path: Path) -> None:
    code, result, _ = pod(None, "dance").end()
    assert code == ExitCode.BAD_INPUT
    assert "no stage 'dance'" in (result.message or "")
    log = FolderStore(tmp_path / "store").get("default/runs/demo/logs/i1-x-2-0.log")
    assert b"no stage 'dance'" in log


def test_progress_is_served_while_the_child_runs(pod, reserve_port, tmp_path: Path) -> None:
    port = reserve_port()
    one = pod("reports", **{HTTP_PORT_VARIABLE: str(port)})
    one.await_file()
    while (document := progress(port))["itemsDone"] == 0:
        pass
    assert document == {
        "stage": "i1/x",
        "itemsDone": 64,
        "itemsTotal": 128,
        "activity": "engine",
        "detail": "d" * 200,
    }
    (tmp_path / "continue").touch()
    code, result, log = one.end()
    assert (code, result) == (0, COMMITTED)
    assert "to the log" in log


def test_the_real_child_sends_progress_and_result_through_one_pipe(make_order) -> None:
    read_end, write_end = os.pipe()
    order = canonical_order(make_order("select"))
    done = subprocess.run(
        [sys.executable, "-m", "isheep_worker", "work", str(write_end)],
        env=os.environ | {ORDER_VARIABLE: order},
        pass_fds=(write_end,),
        capture_output=True,
        check=False,
    )
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        first, last = [json.loads(line) for line in pipe]
    assert (first["type"], first["stage"], first["activity"]) == ("progress", "i1/x", "cpu")
    assert last["type"] == "result"
    assert last["exitCode"] == done.returncode == ExitCode.BAD_INPUT


def test_no_socket_is_open_without_a_port(pod) -> None:
    one = pod("stops")
    one.await_file()
    assert not psutil.Process(one.process.pid).net_connections("all")
    one.stop()
    one.end()


@pytest.mark.parametrize("port", ["in use", "not a number", "99999999", "-1"])
def test_a_port_that_cannot_be_opened_is_a_warning(pod, port: str) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        wanted = str(other.getsockname()[1]) if port == "in use" else port
        code, _, log = pod("garbage", **{HTTP_PORT_VARIABLE: wanted}).end()
    assert code == 0
    assert f"progress is not served, {HTTP_PORT_VARIABLE}={wanted}" in log


def test_invalid_lines_next_to_the_result_are_ignored(pod) -> None:
    assert pod("garbage").end()[:2] == (0, COMMITTED)


def test_an_invalid_result_is_a_defect(pod) -> None:
    code, result, _ = pod("only_garbage").end()
    assert (code, result.reason) == (ExitCode.DEFECT, "Defect")


@pytest.mark.parametrize("behaviour", ["without_handler", "ignores_sigterm", "stops"])
def test_a_deleted_pod_ends_as_stopped_for_every_behaviour_of_its_child(
    pod, behaviour: str
) -> None:
    one = pod(behaviour, **{GRACE_VARIABLE: "2"})
    one.await_file()
    one.stop()
    code, result, _ = one.end()
    assert code == ExitCode.STOPPED
    assert (result.outcome, result.reason) == (Outcome.FAILED, "Stopped")


def test_a_child_that_loads_a_model_is_killed_long_before_the_end_of_the_grace_period(pod) -> None:
    one = pod("ignores_sigterm", **{GRACE_VARIABLE: "1200"})
    one.await_file()
    one.stop()
    # The child has sent no report, so it loads.
    assert one.process.wait(timeout=600) == ExitCode.STOPPED


def test_every_sigterm_is_sent_to_the_child(pod) -> None:
    one = pod("stops_at_the_second_sigterm")
    one.await_file()
    one.stop()
    one.await_file("stopped once")
    one.stop()
    assert one.end()[0] == ExitCode.STOPPED


def test_a_sigterm_that_arrives_before_the_handler_is_not_lost(make_order, tmp_path: Path) -> None:
    early = """
import os, signal, sys
sys.argv[1:] = []
real = signal.pthread_sigmask
def mask(how, signals):
    found = real(how, signals)
    if how == signal.SIG_BLOCK:
        os.kill(os.getpid(), signal.SIGTERM)
    return found
signal.pthread_sigmask = mask
from isheep_worker.__main__ import main
sys.exit(main([]))
"""
    log = tmp_path / "termination-log"
    done = subprocess.run(
        [sys.executable, "-c", early],
        env=os.environ
        | {
            ORDER_VARIABLE: canonical_order(make_order("select")),
            TERMINATION_LOG_VARIABLE: str(log),
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == ExitCode.STOPPED
    assert json.loads(log.read_text())["reason"] == "Stopped"


def test_a_child_that_hangs_after_its_result_is_killed(pod) -> None:
    assert pod("ignores_sigterm_after_its_result").end()[:2] == (0, COMMITTED)


def test_processes_that_a_killed_child_leaves_are_killed_with_it(pod) -> None:
    code, result, _ = pod("leaves_a_process").end()
    assert (code, result.reason) == (137, "Killed")


def test_a_grace_period_that_is_not_a_number_is_a_warning(pod) -> None:
    code, _, log = pod("garbage", **{GRACE_VARIABLE: "soon"}).end()
    assert code == 0
    assert f"{GRACE_VARIABLE}='soon' is not a whole number" in log
