"""`isheep run` as a process: killed, interrupted, started twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isheep.local.lock import RunBusyError, holder_of
from isheep.local.paths import LocalPaths

DRIVER_PROCESS = Path(__file__).with_name("driver_process.py")


def start(harness) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(DRIVER_PROCESS), str(harness.folder), json.dumps(harness.spec)],
        env=harness.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_order(harness, stage: str) -> int:
    """Return the process id of the worker that received an order for a stage."""
    for _ in range(600):
        for pid, given, *_ in harness.orders:
            if given == stage:
                return pid
        time.sleep(0.05)
    raise AssertionError(f"no order for {stage}")


def wait_until_gone(pid: int) -> None:
    for _ in range(600):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} still runs")


def test_workers_end_when_their_driver_is_killed_and_the_next_driver_resumes_the_run(harness):
    harness.behave("i1/respond", "hang")
    driver = start(harness)
    worker = wait_for_order(harness, "i1/respond")

    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()

    # The next driver waits for the workers of the killed driver.
    assert harness.run().end == "Succeeded"
    wait_until_gone(worker)
    assert harness.listener.started_stages[0] == "i1/respond"


def test_a_second_driver_is_refused_with_the_process_that_executes_the_run(harness):
    harness.behave("i1/respond", "hang")
    driver = start(harness)
    wait_for_order(harness, "i1/respond")

    paths = LocalPaths.of(harness.stored().ref.uid, harness.environment)
    assert holder_of(paths.lock) == driver.pid
    with pytest.raises(RunBusyError, match=f"process {driver.pid} on this machine"):
        harness.run()

    driver.send_signal(signal.SIGINT)
    assert driver.wait(30) == 143
    assert holder_of(paths.lock) is None


def test_a_run_waits_for_another_run_that_makes_the_same_stage(harness):
    harness.behave("i1/respond", "hang")
    driver = start(harness)
    wait_for_order(harness, "i1/respond")
    harness.listener.status = lambda status: (
        any(c.reason == "WaitingForPeer" for c in status.conditions) and harness.stop()
    )

    conclusion = harness.run(name="younger")

    driver.send_signal(signal.SIGTERM)
    driver.wait(30)
    assert conclusion.end == "Stopped"
    # The second run made prepare only, which each run makes itself.
    assert [stage for _, stage, *_ in harness.orders].count("i1/respond") == 1
