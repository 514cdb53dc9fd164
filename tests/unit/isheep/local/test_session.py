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

DRIVE = Path(__file__).with_name("drive.py")


def start(workshop) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(DRIVE), str(workshop.folder), json.dumps(workshop.spec)],
        env=workshop.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_order(workshop, stage: str) -> int:
    """Return the worker that was given an order for a stage."""
    for _ in range(600):
        for pid, given, *_ in workshop.orders:
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
    raise AssertionError(f"{pid} is still there")


def test_workers_end_when_their_driver_is_killed_and_the_next_one_goes_on(workshop):
    workshop.behave("i1/respond", "hang")
    driver = start(workshop)
    worker = wait_for_order(workshop, "i1/respond")

    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()

    # It begins at once and waits for the workers of the one that was killed.
    assert workshop.run().end == "Succeeded"
    wait_until_gone(worker)
    assert workshop.heard.begun[0] == "i1/respond"


def test_a_second_driver_is_refused_and_told_which_process_has_the_run(workshop):
    workshop.behave("i1/respond", "hang")
    driver = start(workshop)
    wait_for_order(workshop, "i1/respond")

    paths = LocalPaths.of(workshop.stored().ref.uid, workshop.environment)
    assert holder_of(paths.lock) == driver.pid
    with pytest.raises(RunBusyError, match=f"process {driver.pid} on this machine"):
        workshop.run()

    driver.send_signal(signal.SIGINT)
    assert driver.wait(30) == 143
    assert holder_of(paths.lock) is None


def test_a_run_waits_for_the_one_that_makes_the_same_stage(workshop):
    workshop.behave("i1/respond", "hang")
    driver = start(workshop)
    wait_for_order(workshop, "i1/respond")
    workshop.heard.status = lambda status: (
        any(c.reason == "WaitingForPeer" for c in status.conditions) and workshop.stop()
    )

    conclusion = workshop.run(name="mutton")

    driver.send_signal(signal.SIGTERM)
    driver.wait(30)
    assert conclusion.end == "Stopped"
    # Only prepare, which belongs to each run, was made for the second one.
    assert [stage for _, stage, *_ in workshop.orders].count("i1/respond") == 1
